package policy

import (
	"errors"
	"fmt"
	"slices"
)

// Mode is how much a sandbox may reach.
type Mode string

// The modes. The zero value means None.
const (
	None  Mode = "none"  // there is no network
	Allow Mode = "allow" // what the list names, and nothing else
	Open  Mode = "open"  // everything but what is always refused
)

// Config is a policy as a person writes it.
type Config struct {
	Mode Mode `json:"mode,omitempty"` // "" means None

	// Allow lists what may be reached. In mode Open it can only hold single
	// addresses, which are permitted even if they are always refused otherwise.
	Allow []string `json:"allow,omitempty"`
}

// On reports whether a sandbox with this policy has a network at all.
func (c Config) On() bool { return c.Mode != "" && c.Mode != None }

// Clone returns a copy that shares nothing with c.
func (c Config) Clone() Config {
	c.Allow = slices.Clone(c.Allow)
	return c
}

// MaxRules bounds the entries of a list.
const MaxRules = 1024

// Policy decides. It never changes and is safe for concurrent use.
type Policy struct {
	mode   Mode
	rules  []rule
	config Config
	bounds *Policy // must agree as well; may be nil
}

// Parse reads a policy. The error tells, joined, of every entry that is not
// understood: nothing must be started with such a policy.
func Parse(c Config) (*Policy, error) {
	p := &Policy{mode: c.Mode, config: c.Clone()}
	switch c.Mode {
	case "", None:
		p.mode, p.config.Mode = None, None
		if len(c.Allow) > 0 {
			return nil, fmt.Errorf("policy: %q is allowed but the network is off: use the mode %s", c.Allow[0], Allow)
		}
	case Allow, Open:
	default:
		return nil, fmt.Errorf("policy: mode %q is not %s, %s or %s", c.Mode, None, Allow, Open)
	}
	if len(c.Allow) > MaxRules {
		return nil, fmt.Errorf("policy: %d entries are more than %d", len(c.Allow), MaxRules)
	}
	var errs []error
	for _, text := range c.Allow {
		r, err := parseRule(text)
		if err == nil && p.mode == Open && !r.single() {
			err = fmt.Errorf("in mode %s everything is allowed but what is always refused, of which an entry permits one address: drop it, or use the mode %s", Open, Allow)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("policy: entry %.100q: %w", text, err))
			continue
		}
		p.rules = append(p.rules, r)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// Config returns what the policy was parsed from.
func (p *Policy) Config() Config { return p.config.Clone() }

// Mode returns how much may be reached.
func (p *Policy) Mode() Mode { return p.mode }

// Restrict returns the policy of c within p: it allows what both do.
func (p *Policy) Restrict(c Config) (*Policy, error) {
	q, err := Parse(c)
	if err != nil {
		return nil, err
	}
	q.bounds = p
	return q, nil
}

// Narrow is Restrict for a policy that somebody asks for. An entry that p does not
// cover whole is an error, so that nobody takes it for allowed.
func (p *Policy) Narrow(c Config) (*Policy, error) {
	q, err := p.Restrict(c)
	if err != nil {
		return nil, err
	}
	if q.mode == None {
		return q, nil
	}
	if p.mode == None {
		return nil, errors.New("policy: the owner of this server permits no network: ask for it to be started with one")
	}
	if q.mode == Open && p.mode != Open {
		return nil, fmt.Errorf("policy: the mode %s is more than the owner of this server permits, which is a list of destinations: use the mode %s with some of them", Open, Allow)
	}
	var errs []error
	for _, r := range q.rules {
		if !p.covers(r) {
			errs = append(errs, fmt.Errorf("policy: %q is more than the owner of this server permits", r.text))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return q, nil
}

// covers reports whether p allows all that r does.
func (p *Policy) covers(r rule) bool {
	if p.mode == Open && (r.name != "" || Refused(r.prefix.Addr(), false) == "") {
		return true
	}
	return slices.ContainsFunc(p.rules, func(own rule) bool { return own.covers(r) })
}
