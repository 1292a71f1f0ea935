package policy

import (
	"fmt"
	"net/netip"
	"slices"
)

// Destination is where a sandbox wants to go.
type Destination struct {
	Proto Proto
	Addr  netip.AddrPort
	Own   bool     // the address is one of the host's own, or of a network that it is on
	Names []string // canonical names for which the sandbox's resolver answered with this address
}

// Verdict is a decision, and why it is what it is.
type Verdict struct {
	Allowed bool
	Reason  string // why not; "" when it is allowed
	Rule    string // the entry, or the mode, that allows it; "" when it is not

	// Names are those that the destination is allowed under: what is said over the
	// connection must be meant for one of them. None means that the address itself
	// is allowed, whoever it is.
	Names []string
}

const notListed = "it is not on the list of what this desktop may reach"

func refuse(reason string) Verdict { return Verdict{Reason: reason} }

// Name decides whether the sandbox's resolver may answer for a name, which is
// canonical.
func (p *Policy) Name(name string) Verdict {
	if p.bounds != nil {
		if v := p.bounds.Name(name); !v.Allowed {
			return v
		}
	}
	switch p.mode {
	case Open:
		return Verdict{Allowed: true, Rule: string(Open)}
	case Allow:
		for _, r := range p.rules {
			if r.matches(name) {
				return Verdict{Allowed: true, Rule: r.text}
			}
		}
		return refuse(notListed)
	}
	return refuse("the network is off")
}

// Connect decides whether a connection may be made, or a datagram sent.
func (p *Policy) Connect(d Destination) Verdict {
	d.Addr = netip.AddrPortFrom(d.Addr.Addr().Unmap().WithZone(""), d.Addr.Port())
	v := p.connect(d)
	if p.bounds == nil || !v.Allowed {
		return v
	}
	b := p.bounds.Connect(d)
	switch {
	case !b.Allowed:
		return b
	case v.Names == nil:
		b.Rule = v.Rule
		return b
	case b.Names == nil:
		return v
	}
	v.Names = slices.DeleteFunc(v.Names, func(n string) bool { return !slices.Contains(b.Names, n) })
	if len(v.Names) == 0 {
		return refuse(notListed)
	}
	return v
}

// connect decides without the bounds.
func (p *Policy) connect(d Destination) Verdict {
	if p.mode == None {
		return refuse("the network is off")
	}
	var wide *rule
	for i, r := range p.rules {
		if r.name != "" || !r.fits(d.Proto, d.Addr.Port()) || !r.prefix.Contains(d.Addr.Addr()) {
			continue
		}
		if r.single() {
			return Verdict{Allowed: true, Rule: r.text}
		}
		wide = &p.rules[i]
	}
	if why := Refused(d.Addr.Addr(), d.Own); why != "" {
		return refuse(fmt.Sprintf("the address is always refused (%s)", why))
	}
	if p.mode == Open {
		return Verdict{Allowed: true, Rule: string(Open)}
	}
	if wide != nil {
		return Verdict{Allowed: true, Rule: wide.text}
	}
	return p.named(d)
}

// named decides by the names that the address was answered for.
func (p *Policy) named(d Destination) Verdict {
	v := refuse(notListed)
	for _, r := range p.rules {
		for _, n := range d.Names {
			if !r.matches(n) || slices.Contains(v.Names, n) {
				continue
			}
			if !r.fits(d.Proto, d.Addr.Port()) {
				if !v.Allowed {
					v.Reason = fmt.Sprintf("%s port %d of %.100s is not on the list of what this desktop may reach", d.Proto, d.Addr.Port(), n)
				}
				continue
			}
			if !v.Allowed {
				v.Allowed, v.Reason, v.Rule = true, "", r.text
			}
			v.Names = append(v.Names, n)
		}
	}
	return v
}

// Address returns why no connection to an address is ever allowed, and "" when one
// may be. own says that it is one of the host's.
func (p *Policy) Address(a netip.Addr, own bool) string {
	if p.bounds != nil {
		if why := p.bounds.Address(a, own); why != "" {
			return why
		}
	}
	a = a.Unmap().WithZone("")
	for _, r := range p.rules {
		if r.single() && r.prefix.Addr() == a {
			return ""
		}
	}
	return Refused(a, own)
}
