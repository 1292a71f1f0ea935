package egress

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// flow is a connection, or the datagrams between two ports, that is open.
type flow struct {
	n       *Network
	kind    audit.Kind
	dest    policy.Destination // Proto and Addr
	verdict policy.Verdict     // that it was opened with
	guarded bool               // the policy is asked, again when it changes
	began   time.Time
	ctx     context.Context // ends when the flow is cut
	cancel  context.CancelCauseFunc

	rest guestConn // to be released when the flow has ended; zero for none

	sent, received atomic.Int64
	understood     atomic.Bool // an HTTP request was read

	mu      sync.Mutex
	name    string // whom the client means
	outcome string // what is logged as the verdict; "" until it is known
	reason  string // of the outcome
}

// open begins a flow if the policy and the limits allow it, and logs it if not. The
// flow must be ended.
func (n *Network) open(kind audit.Kind, proto policy.Proto, to netip.AddrPort) *flow {
	f := &flow{n: n, kind: kind, dest: policy.Destination{Proto: proto, Addr: to}, began: time.Now(), guarded: kind == audit.TCP || kind == audit.UDP}
	own := f.guarded && n.own(to.Addr())
	if !f.enter(own) {
		return nil
	}
	if f.ctx == nil {
		defer n.wg.Done()
		n.log(f.entry())
		return nil
	}
	return f
}

// enter decides on the flow, which has a context afterwards if it may be. It reports
// whether there is anything to do or to log, which the network waits for.
func (f *flow) enter(own bool) bool {
	n := f.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	f.verdict = policy.Verdict{Allowed: true}
	if f.guarded {
		f.verdict = n.judge(f.dest.Proto, f.dest.Addr, own)
	}
	switch {
	case !f.verdict.Allowed:
		f.refuse(f.verdict.Reason)
		if names := n.names.Pins.Names(f.dest.Addr.Addr()); len(names) > 0 {
			f.name = names[len(names)-1]
		}
	case len(n.flows) >= n.cfg.Limits.Connections:
		f.conclude(audit.Limited, "the desktop has too many connections open")
	case !n.connects.Allow():
		f.conclude(audit.Limited, "the desktop opens connections too fast")
	default:
		f.ctx, f.cancel = context.WithCancelCause(n.ctx)
		n.flows[f] = struct{}{}
	}
	n.wg.Add(1)
	return true
}

var errCut = errors.New("the connection was cut")

// cut ends the flow, with what is logged of it.
func (f *flow) cut(outcome, reason string) {
	f.conclude(outcome, reason)
	f.cancel(errCut)
}

// refuse notes that the policy does not allow what the flow is.
func (f *flow) refuse(reason string) { f.conclude(audit.Blocked, reason) }

// conclude notes how the flow ends and why, once.
func (f *flow) conclude(outcome, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.outcome == "" {
		f.outcome, f.reason = outcome, reason
	}
}

// means notes whom the client means, and returns whom it meant before.
func (f *flow) means(name string) (before string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, f.name = f.name, name
	return before
}

// mayMean reports whether the policy that holds now allows a name at the flow's
// destination.
func (f *flow) mayMean(name string) bool {
	v := f.n.judge(f.dest.Proto, f.dest.Addr, f.n.own(f.dest.Addr.Addr()))
	return v.Allowed && (v.Names == nil || slices.Contains(v.Names, name))
}

// mayStay reports whether the policy that holds now allows what the flow is. Nobody
// has looked at whom a client means where the address itself was allowed: so such a
// flow cannot stay because of a name.
func (f *flow) mayStay() bool {
	v := f.n.judge(f.dest.Proto, f.dest.Addr, f.n.own(f.dest.Addr.Addr()))
	if !v.Allowed || v.Names == nil {
		return v.Allowed
	}
	f.mu.Lock()
	name := f.name
	f.mu.Unlock()
	return f.verdict.Names != nil && (name == "" || slices.Contains(v.Names, name))
}

// end logs the flow, which is over.
func (f *flow) end() {
	defer f.leave()
	f.n.log(f.entry())
}

// leave gives back the flow's place, once nothing is left of it.
func (f *flow) leave() {
	defer f.n.wg.Done()
	f.rest.release(f.ctx, f.n.linger)
	f.cancel(nil)
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	delete(f.n.flows, f)
}

// entry is what is logged of the flow.
func (f *flow) entry() audit.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := audit.Entry{
		Time: f.began, Kind: f.kind, Name: f.name, Addr: f.dest.Addr, Verdict: audit.Allowed, Rule: f.verdict.Rule, Reason: f.reason,
		Sent: f.sent.Load(), Received: f.received.Load(),
	}
	if f.outcome != "" {
		e.Verdict = f.outcome
	}
	if e.Verdict == audit.Blocked {
		e.Rule = "" // what allowed it at first does not any more
	}
	if f.ctx != nil && e.Verdict == audit.Allowed {
		e.Seconds = time.Since(f.began).Seconds()
	}
	if e.Name == "" && len(f.verdict.Names) == 1 {
		e.Name = f.verdict.Names[0]
	}
	return e
}
