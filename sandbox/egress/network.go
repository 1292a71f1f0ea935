package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/dns"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// Network is the network of one sandbox. It is safe for concurrent use.
type Network struct {
	cfg    Config
	link   *endpoint
	stack  *stack.Stack
	policy atomic.Pointer[policy.Policy]
	names  *dns.Resolver
	recent audit.Recent

	connects  *rate.Limiter
	questions *rate.Limiter
	lines     *rate.Limiter
	sent      *rate.Limiter // nil without a limit
	received  *rate.Limiter
	asking    chan struct{} // holds a token for each question that is being looked up
	linger    time.Duration // see lingerLimit

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	flows  map[*flow]struct{}
}

// New begins to serve the guest's packets, until [Network.Close]. When it fails
// Frames is closed.
func New(cfg Config) (*Network, error) {
	n, err := newNetwork(cfg)
	if err == nil {
		err = n.serve()
	}
	if err != nil {
		if cfg.Frames != nil {
			cfg.Frames.Close()
		}
		return nil, err
	}
	return n, nil
}

// newNetwork returns a network that nobody serves yet.
func newNetwork(cfg Config) (*Network, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Network{
		cfg:       cfg,
		link:      &endpoint{frames: cfg.Frames, mac: cfg.MAC},
		connects:  rate.NewLimiter(rate.Limit(cfg.Limits.ConnectRate), burst*cfg.Limits.ConnectRate),
		questions: rate.NewLimiter(rate.Limit(cfg.Limits.QuestionRate), burst*cfg.Limits.QuestionRate),
		lines:     rate.NewLimiter(logRate, logBurst),
		asking:    make(chan struct{}, maxQuestions),
		linger:    lingerLimit,
		flows:     make(map[*flow]struct{}),
	}
	if b := cfg.Limits.Bandwidth; b > 0 {
		most := max(int(min(b, 1<<30)), copySize)
		n.sent, n.received = rate.NewLimiter(rate.Limit(b), most), rate.NewLimiter(rate.Limit(b), most)
	}
	n.policy.Store(cfg.Policy)
	n.names = &dns.Resolver{
		Lookup:  cfg.Lookup,
		Allowed: func(name string) policy.Verdict { return n.policy.Load().Name(name) },
		Refused: func(a netip.Addr) string { return n.policy.Load().Address(a, n.own(a)) },
		Pins:    new(dns.Pins),
		Local:   map[string][]netip.Addr{HostName: {gateway4, gateway6}},
	}
	n.names.Pins.Restore(cfg.Pins)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n, nil
}

// serve begins to take the guest's packets.
func (n *Network) serve() (err error) {
	if n.stack, err = newStack(n, n.link); err != nil {
		n.cancel()
		return err
	}
	for _, a := range []netip.Addr{gateway4, gateway6} {
		c, err := listenResolver(n.stack, a)
		if err != nil {
			n.cancel()
			n.wg.Wait()
			n.stack.Destroy()
			return err
		}
		n.spawn(func() { n.serveResolver(c) })
	}
	n.spawn(n.receive)
	return nil
}

// spawn runs f in a goroutine of the network's, which ends before Close returns.
func (n *Network) spawn(f func()) {
	n.wg.Go(func() {
		defer n.guard()
		f()
	})
}

// guard is deferred wherever something is decided on or carried out for the guest.
// What has panicked there cannot be relied on any more: no packet passes from then
// on, and the server goes on without this network.
func (n *Network) guard() {
	if p := recover(); p != nil {
		n.fail(p)
	}
}

// fail shuts a network in which something has panicked.
func (n *Network) fail(p any) {
	n.cfg.Logger.Error("the network of a sandbox has failed, and is shut", "sandbox", n.cfg.Sandbox, "panic", p, "stack", string(debug.Stack()))
	n.shut("the network of the desktop has failed")
}

// receive takes the guest's frames.
func (n *Network) receive() {
	buf := make([]byte, maxFrame+1)
	for {
		size, err := n.cfg.Frames.Read(buf)
		if err != nil {
			if n.ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				n.cfg.Logger.Debug("the link of a sandbox has ended", "err", err)
			}
			return
		}
		packet, ether, drop, ok := packetOf(buf[:size], n.cfg.MAC)
		if ok {
			n.link.deliver(packet, ether)
		} else if drop.reason != "" {
			n.log(audit.Entry{
				Time: time.Now(), Kind: audit.Packet, Addr: netip.AddrPortFrom(drop.to, 0), Verdict: audit.Blocked, Reason: drop.reason,
			})
		}
	}
}

// Policy returns the policy that holds now.
func (n *Network) Policy() *policy.Policy { return n.policy.Load() }

// SetPolicy has another policy hold. Connections that it does not allow are cut.
func (n *Network) SetPolicy(p *policy.Policy) {
	defer n.guard()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.policy.Store(p)
	for f := range n.flows {
		if f.guarded && !f.mayStay() {
			f.cut(audit.Blocked, "the policy was changed")
		}
	}
}

// Recent returns the last entries of the log, oldest first.
func (n *Network) Recent() []audit.Entry { return n.recent.List() }

// Counts returns what went over the network so far, but for the bytes of
// connections that are still open.
func (n *Network) Counts() audit.Counts { return n.recent.Counts() }

// Pins returns which addresses were answered for which names. Programs in the guest
// remember such answers for a while: a guest that goes on elsewhere takes them along.
func (n *Network) Pins() []dns.Pin { return n.names.Pins.List() }

// Close ends every connection, and the link. It may be called more than once.
func (n *Network) Close() error {
	err := n.shut("the desktop has ended")
	n.stack.Close()
	n.wg.Wait()
	n.stack.Destroy()
	return err
}

// shut cuts every connection, and the link.
func (n *Network) shut(reason string) error {
	n.mu.Lock()
	n.closed = true
	for f := range n.flows {
		f.cut(audit.Allowed, reason)
	}
	n.mu.Unlock()
	n.cancel()
	err := n.cfg.Frames.Close() // so that nothing waits to write to the guest
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// log notes an entry. Of a flood of refusals only the first part is, the rest is
// counted; what was allowed is bounded already, and never goes under in one.
func (n *Network) log(e audit.Entry) {
	n.cfg.OnCount(e)
	if e.Verdict != audit.Allowed && !n.lines.Allow() {
		n.recent.Count(e)
		return
	}
	e.Sandbox = n.cfg.Sandbox
	n.recent.Add(e)
	n.cfg.OnEntry(e)
}

// destination returns what the guest means by an address: the gateway stands for
// the host itself.
func destination(a netip.AddrPort) netip.AddrPort {
	switch a.Addr() {
	case gateway4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	case gateway6:
		return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
	}
	return a
}

// own reports whether an address, or one of IPv4 that it holds, is one of the host's.
func (n *Network) own(a netip.Addr) bool {
	if n.cfg.Own(a) {
		return true
	}
	inner, ok := policy.Embedded(a)
	return ok && n.cfg.Own(inner)
}

// judge decides on a destination by the policy that holds now. own says that it is
// one of the host's.
func (n *Network) judge(proto policy.Proto, to netip.AddrPort, own bool) policy.Verdict {
	return n.policy.Load().Connect(policy.Destination{Proto: proto, Addr: to, Own: own, Names: n.names.Pins.Names(to.Addr())})
}
