package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Proto is a transport protocol.
type Proto string

// The protocols. Nothing else ever passes.
const (
	TCP Proto = "tcp"
	UDP Proto = "udp"
)

// rule is one entry of the list:
//
//	example.com            ports 80 and 443 of the name
//	*.example.com:8443     a port of every name below it, not of itself
//	203.0.113.0/24:*       every port of a range of addresses
//	[2001:db8::1]:22       a port of an address
//	time.example:123/udp   a port of UDP; all others are of TCP
type rule struct {
	text     string
	name     string       // "" for addresses
	below    bool         // names below name, and not name itself
	prefix   netip.Prefix // unless there is a name
	ports    []portRange
	protocol Proto
}

// portRange is a range of ports with its ends.
type portRange struct{ first, last uint16 }

var (
	webPorts = []portRange{{80, 80}, {443, 443}}
	allPorts = []portRange{{1, 65535}}
)

// parseRule reads an entry.
func parseRule(text string) (rule, error) {
	r := rule{text: text, protocol: TCP}
	rest := text
	if s, ok := strings.CutSuffix(rest, "/udp"); ok {
		rest, r.protocol = s, UDP
	} else {
		rest = strings.TrimSuffix(rest, "/tcp")
	}
	host, ports, hasPorts, err := splitPorts(rest)
	if err != nil {
		return rule{}, err
	}
	switch {
	case hasPorts:
		if r.ports, err = parsePorts(ports); err != nil {
			return rule{}, err
		}
	case r.protocol == UDP:
		return rule{}, errors.New("UDP needs a port: write one, such as time.example:123/udp")
	default:
		r.ports = webPorts
	}
	if prefix, ok, err := parsePrefix(host); err != nil {
		return rule{}, err
	} else if ok {
		r.prefix = prefix
		return r, nil
	}
	if r.name, r.below, err = parsePattern(host); err != nil {
		return rule{}, err
	}
	if r.protocol == UDP && r.hasPort(443) {
		return rule{}, errors.New("UDP port 443 is QUIC, which hides whom it talks to: leave it out, and browsers take TCP")
	}
	return r, nil
}

// splitPorts cuts the ports off an entry: what follows the last colon, which for an
// IPv6 address follows a bracket.
func splitPorts(s string) (host, ports string, ok bool, err error) {
	if rest, found := strings.CutPrefix(s, "["); found {
		host, rest, found = strings.Cut(rest, "]")
		if !found {
			return "", "", false, errors.New("there is no ] after the [")
		}
		if rest == "" {
			return host, "", false, nil
		}
		if ports, found = strings.CutPrefix(rest, ":"); !found {
			return "", "", false, errors.New("what follows the ] is not a colon and a port")
		}
		return host, ports, true, nil
	}
	if strings.Count(s, ":") > 1 {
		return s, "", false, nil // an IPv6 address
	}
	host, ports, ok = strings.Cut(s, ":")
	return host, ports, ok, nil
}

// parsePorts reads "443", "8000-8999" or "*".
func parsePorts(s string) ([]portRange, error) {
	if s == "*" {
		return allPorts, nil
	}
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || b < a {
		return nil, fmt.Errorf("port %q is not a number from 1 to 65535, a range such as 8000-8999, or *", s)
	}
	return []portRange{{uint16(a), uint16(b)}}, nil
}

// parsePrefix reads an address or a range of addresses, and reports whether s is
// meant as one.
func parsePrefix(s string) (netip.Prefix, bool, error) {
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, false, nil
		}
		if addr.Zone() != "" {
			return netip.Prefix{}, false, errors.New("an address of one link with its zone cannot be reached: leave it out")
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), true, nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, false, fmt.Errorf("%q is not a range such as 203.0.113.0/24", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, false, fmt.Errorf("the range begins at %s: write %s, or the address alone", p.Masked().Addr(), p.Masked())
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, false, errors.New("write a range of IPv4 addresses as such")
	}
	if !p.IsSingleIP() {
		if block, why := refusedBlock(p); why != "" {
			return netip.Prefix{}, false, fmt.Errorf("all of %s is always refused (%s), unless an entry is the one address: name each", block, why)
		}
	}
	return p, true, nil
}

// parsePattern reads a name, or "*." and a name.
func parsePattern(s string) (name string, below bool, err error) {
	s, below = strings.CutPrefix(s, "*.")
	if strings.Contains(s, "*") {
		return "", false, errors.New("a * can only stand for the first part of a name, as in *.example.com; for everything use the mode open")
	}
	name, ok := CanonicalName(s)
	if !ok {
		return "", false, errors.New("this is no host name, address or range of addresses")
	}
	return name, below, nil
}

// CanonicalName returns the form in which names are compared: lower case, in
// ASCII, without a dot at the end. It reports whether s is a host name; what some
// programs read as an address is none.
func CanonicalName(s string) (string, bool) {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return "", false
	}
	for _, c := range s {
		if c >= 0x80 {
			var err error
			if s, err = idna.Lookup.ToASCII(s); err != nil || len(s) > 253 {
				return "", false
			}
			break
		}
	}
	s = strings.ToLower(s)
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, notInLabel) {
			return "", false
		}
	}
	last := labels[len(labels)-1]
	if last[0] >= '0' && last[0] <= '9' {
		return "", false // inet_aton(3) takes 0x7f.1 and 127.1 for addresses
	}
	return s, true
}

func notInLabel(c rune) bool {
	return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
}

// single reports whether the rule is one address.
func (r rule) single() bool { return r.name == "" && r.prefix.IsSingleIP() }

func (r rule) hasPort(port uint16) bool {
	return slices.ContainsFunc(r.ports, func(p portRange) bool { return p.first <= port && port <= p.last })
}

// fits reports whether the rule is about this port.
func (r rule) fits(proto Proto, port uint16) bool {
	return r.protocol == proto && r.hasPort(port)
}

// matches reports whether the rule is about name, which is canonical.
func (r rule) matches(name string) bool {
	switch {
	case r.name == "":
		return false
	case r.below:
		return strings.HasSuffix(name, "."+r.name)
	}
	return name == r.name
}

// covers reports whether r allows all that s does.
func (r rule) covers(s rule) bool {
	if r.protocol != s.protocol || (r.name == "") != (s.name == "") {
		return false
	}
	for _, p := range s.ports {
		if !slices.ContainsFunc(r.ports, func(own portRange) bool { return own.first <= p.first && p.last <= own.last }) {
			return false
		}
	}
	switch {
	case r.name == "":
		if s.single() && !r.single() && Refused(s.prefix.Addr(), false) != "" {
			return false // only an entry for this one address permits it
		}
		return r.prefix.Bits() <= s.prefix.Bits() && r.prefix.Contains(s.prefix.Addr())
	case s.below:
		return r.below && (s.name == r.name || r.matches(s.name))
	}
	return r.matches(s.name)
}
