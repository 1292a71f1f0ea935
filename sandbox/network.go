package sandbox

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox/egress"
	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// Network says where a sandbox may reach; see package policy. The zero value is no
// network at all: the machine has no card.
type Network struct {
	Mode  policy.Mode `json:"mode,omitempty"`
	Allow string      `json:"allow,omitempty"` // the entries, separated by spaces
}

// ListedNetwork returns the network of a sandbox that may reach what the entries name
// and nothing else. The error matches [ErrInvalidConfig] and tells of each entry that
// is not understood.
func ListedNetwork(allow []string) (Network, error) {
	c := policy.Config{Mode: policy.Allow, Allow: allow}
	if _, err := policy.Parse(c); err != nil {
		return Network{}, fmt.Errorf("%w: %w", ErrInvalidConfig, err)
	}
	return NewNetwork(c), nil
}

// NewNetwork returns the network of a policy.
func NewNetwork(c policy.Config) Network {
	return Network{Mode: c.Mode, Allow: strings.Join(c.Allow, " ")}
}

// Policy returns the policy of a network.
func (n Network) Policy() policy.Config {
	return policy.Config{Mode: n.Mode, Allow: strings.Fields(n.Allow)}
}

// On reports whether there is a network.
func (n Network) On() bool { return n.Policy().On() }

// NetworkOptions are the parts of a network that are the same for all sandboxes of a
// server. The zero value is what most want.
type NetworkOptions struct {
	Bounds  *policy.Policy    // that no sandbox's own policy goes beyond; nil for none
	Limits  egress.Limits     // of each sandbox
	OnEntry func(audit.Entry) // is called for each entry of a log; nil for nothing

	count func(audit.Entry) // likewise, for those as well that a flood keeps out of the log

	// What the host is like, for tests: see [egress.Config].
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

// Networked is a [Machine] that may have a network card.
type Networked interface {
	Machine

	// Frames returns the other end of the card's cable: a socket with one Ethernet
	// frame in each message. It stays the same while the machine runs, and is the
	// caller's to close. It is nil when the config has no network.
	Frames() net.Conn
}

// errNoCard is why a machine with a network cannot run.
var errNoCard = fmt.Errorf("%w: machines of this backend have no network: use the mode %s", ErrUnsupported, policy.None)

// bootNetwork returns what a guest is told of its network, with a card of its own.
func bootNetwork() *desktop.Network {
	link := egress.Guest()
	n := &desktop.Network{
		MAC:        net.HardwareAddr(link.MAC[:]).String(),
		GatewayMAC: net.HardwareAddr(link.GatewayMAC[:]).String(),
		Nameserver: link.Gateways[0].String(),
		MTU:        link.MTU,
	}
	for _, p := range link.Addresses {
		n.Addresses = append(n.Addresses, p.String())
	}
	for _, g := range link.Gateways {
		n.Gateways = append(n.Gateways, g.String())
	}
	return n
}

// restricted returns the policy of n within the bounds.
func (o NetworkOptions) restricted(n Network) (*policy.Policy, error) {
	if o.Bounds == nil {
		return policy.Parse(n.Policy())
	}
	return o.Bounds.Restrict(n.Policy())
}

// connect begins to serve the machine's card.
func (s *Session) connect(opts StartOptions) error {
	p, err := opts.Network.restricted(s.cfg.Network)
	if err != nil {
		return err
	}
	m, ok := s.machine.(Networked)
	if !ok {
		return errNoCard
	}
	frames := m.Frames()
	if frames == nil {
		return errNoCard
	}
	mac, err := net.ParseMAC(s.boot.Network.MAC)
	if err != nil {
		return err
	}
	s.network, err = egress.New(egress.Config{
		Frames:  frames,
		MAC:     [6]byte(mac),
		Policy:  p,
		Limits:  opts.Network.Limits,
		Sandbox: opts.Name,
		Pins:    s.pins,
		Lookup:  opts.Network.Lookup,
		Dial:    opts.Network.Dial,
		Logger:  s.log,
		OnCount: opts.Network.count,
		OnEntry: func(e audit.Entry) {
			s.traffic.add(e)
			if opts.Network.OnEntry != nil {
				opts.Network.OnEntry(e)
			}
		},
	})
	return err
}

// Network returns the network of the sandbox: nil when it has none.
func (s *Session) Network() *egress.Network { return s.network }

// SetNetwork has another policy hold from now on, also for what is started from the
// sandbox. Connections that it does not allow are cut. One that is beyond the bounds of
// the sandbox's server is an error, and so is any for a sandbox that was started
// without a network: both match [ErrInvalidConfig]. A sandbox of a [Manager] is changed
// by [Manager.SetNetwork], which knows when it is another Session.
func (s *Session) SetNetwork(n Network) error {
	n, p, err := s.narrowed(n)
	if err != nil {
		return err
	}
	s.setting.Lock() // so that what is kept and what holds are the same policy
	defer s.setting.Unlock()
	s.mu.Lock()
	s.cfg.Network = n
	s.mu.Unlock()
	if s.network != nil {
		s.network.SetPolicy(p)
	}
	return nil
}

// narrowed returns what a running sandbox gets that somebody asks for n.
func (s *Session) narrowed(n Network) (Network, *policy.Policy, error) {
	if !s.Config().Network.On() {
		return n, nil, fmt.Errorf("%w: this desktop was started without a network, and cannot get one while it is there: create another one", ErrInvalidConfig)
	}
	if !n.On() {
		n = Network{Mode: policy.Allow} // it keeps its card, and reaches nothing
	}
	p, err := narrow(s.bounds, n)
	return n, p, err
}

// narrow returns the policy of n, which is within the bounds if there are any. The
// error matches [ErrInvalidConfig].
func narrow(bounds *policy.Policy, n Network) (*policy.Policy, error) {
	p, err := policy.Parse(n.Policy())
	if err == nil && bounds != nil {
		p, err = bounds.Narrow(n.Policy())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidConfig, err)
	}
	return p, nil
}
