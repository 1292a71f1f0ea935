package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/hello"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// Limits of time.
const (
	dialLimit  = 20 * time.Second // to connect
	firstLimit = 30 * time.Second // for the first words of a client that is to be looked at

	// lingerLimit is how long a guest may take to acknowledge the rest of a connection
	// that has ended. Until then it counts, as it takes memory.
	lingerLimit = time.Minute
)

// acceptTCP is called in a goroutine of its own for each connection that the guest
// begins.
func (n *Network) acceptTCP(r *tcp.ForwarderRequest) {
	defer n.guard()
	to := localAddr(r.ID())
	if isResolver(to) {
		n.serveResolverTCP(r)
		return
	}
	f := n.open(audit.TCP, policy.TCP, destination(to))
	if f == nil {
		r.Complete(true)
		return
	}
	defer f.end()
	host, err := f.dial(f.ctx)
	if err != nil {
		r.Complete(true)
		return
	}
	guest, err := accept(r)
	if err != nil {
		host.Close()
		f.conclude(audit.Allowed, "the desktop did not complete the connection")
		return
	}
	f.rest = guest
	f.serve(f.guestSide(guest), host)
}

// dial connects to the flow's destination.
func (f *flow) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(withNames(ctx, f.n.names.Pins.Names(f.dest.Addr.Addr())), dialLimit)
	defer cancel()
	c, err := f.n.cfg.Dial(ctx, string(f.dest.Proto), f.dest.Addr.String())
	if err != nil {
		f.conclude(audit.Allowed, "it could not be reached: "+cause(err))
		return nil, err
	}
	if c.RemoteAddr().String() == f.dest.Addr.String() && sameAddress(c.LocalAddr(), c.RemoteAddr()) {
		// Whatever the host's addresses were said to be, it has reached itself.
		if v := f.n.judge(f.dest.Proto, f.dest.Addr, true); !v.Allowed {
			f.refuse(v.Reason)
			c.Close()
			return nil, errCut
		}
	}
	return c, nil
}

// cause returns the innermost part of an error of connecting: the rest is known.
func cause(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %v", dialLimit)
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// guestConn is a TCP connection with the guest.
type guestConn struct {
	*gonet.TCPConn
	endpoint stack.TransportEndpoint
}

// accept completes a connection that the guest has begun. It must be closed, and then
// released.
func accept(r *tcp.ForwarderRequest) (guestConn, error) {
	var wq waiter.Queue
	ep, err := r.CreateEndpoint(&wq)
	if err != nil {
		r.Complete(true)
		return guestConn{}, errors.New(err.String())
	}
	r.Complete(false)
	// A guest that was rolled back knows nothing of the connection any more.
	ep.SocketOptions().SetKeepAlive(true)
	idle, interval := tcpip.KeepaliveIdleOption(time.Minute), tcpip.KeepaliveIntervalOption(30*time.Second)
	ep.SetSockOpt(&idle)
	ep.SetSockOpt(&interval)
	return guestConn{gonet.NewTCPConn(&wq, ep), ep.(stack.TransportEndpoint)}, nil
}

// release waits until nothing is left of the connection, which is closed, but what
// takes no memory to speak of. What is left after a while, or when ctx ends, is reset.
func (c guestConn) release(ctx context.Context, after time.Duration) {
	if c.endpoint == nil || tcp.EndpointState(c.endpoint.(tcpip.Endpoint).State()) == tcp.StateTimeWait {
		return
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		c.endpoint.Wait()
	}()
	limit := time.NewTimer(after)
	defer limit.Stop()
	select {
	case <-gone:
		return
	case <-limit.C:
	case <-ctx.Done():
	}
	c.endpoint.Abort()
	<-gone
}

// serve carries the flow's data, once it is known that the client means whom the
// policy allows.
func (f *flow) serve(guest *metered, host net.Conn) {
	if f.verdict.Names == nil {
		f.splice(guest, host, guest)
		return
	}
	stop := context.AfterFunc(f.ctx, func() { guest.Close(); host.Close() })
	defer stop()
	web := f.dest.Addr.Port() == 80 || f.dest.Addr.Port() == 443
	var early *greeting
	if !web {
		early = f.carryGreeting(guest, host)
	}
	first, said, err := readFirst(guest, web)
	if errors.Is(err, hello.ErrShort) && !web {
		err = nil // nothing follows
	}
	if early != nil {
		spoke := early.stop()
		if spoke && first.Kind == hello.HTTP {
			f.refuse("an HTTP request follows on what the server said")
			err = errCut
		}
	}
	guest.SetReadDeadline(time.Time{})
	switch {
	case err != nil && len(said) == 0: // browsers connect in advance, and may never say a word
	case err != nil:
		f.refuse(notUnderstood)
	case first.Kind == hello.HTTP, web && first.Kind == hello.Other:
		f.serveHTTP(&rewound{metered: guest, r: io.MultiReader(bytes.NewReader(said), guest)}, host)
		return
	case first.Kind == hello.TLS && !f.permits(first):
		guest.Write(tlsAccessDenied)
	default:
		f.splice(guest, host, io.MultiReader(bytes.NewReader(said), guest))
		return
	}
	guest.Close()
	host.Close()
}

const notUnderstood = "what the client said first is neither HTTP nor a TLS ClientHello"

// tlsAccessDenied is the alert of that name: RFC 8446, section 6.
var tlsAccessDenied = []byte{21, 3, 3, 0, 2, 2, 49}

// permits reports whether a ClientHello names whom the policy allows, and notes why
// not.
func (f *flow) permits(first hello.First) bool {
	name, ok := policy.CanonicalName(first.ServerName)
	if ok {
		f.means(name)
	}
	switch {
	case first.ServerName == "":
		f.refuse("the TLS ClientHello names no server")
	case first.ECH:
		f.refuse("the TLS ClientHello is encrypted (ECH), so nobody knows whom it is for: switch that off in the client")
	case !ok || !f.mayMean(name):
		f.refuse("the TLS server name is not on the list of what this desktop may reach")
	default:
		return true
	}
	return false
}

// readFirst reads what a client says first, until that can be told. The error is
// hello.ErrShort only when the client says no more. Time is short for one that has
// begun, and never makes what it says another thing; where the server is to speak
// first, a client may take its time to begin.
func readFirst(c net.Conn, atOnce bool) (first hello.First, said []byte, err error) {
	if atOnce {
		c.SetReadDeadline(time.Now().Add(firstLimit))
	}
	buf := make([]byte, 4<<10)
	for {
		n, rerr := c.Read(buf)
		if len(said) == 0 && n > 0 && !atOnce {
			c.SetReadDeadline(time.Now().Add(firstLimit))
		}
		said = append(said, buf[:n]...)
		switch first, err = hello.Parse(said); {
		case !errors.Is(err, hello.ErrShort), errors.Is(rerr, io.EOF):
			return first, said, err
		case rerr != nil:
			return first, said, rerr
		}
	}
}

// greeting is what a server says before its client does.
type greeting struct {
	host net.Conn
	wg   sync.WaitGroup
	n    int64
}

// carryGreeting passes on what the server says, until it is stopped or the server has
// said all. A client that has nothing to say to that either is not awaited for long.
func (f *flow) carryGreeting(guest *metered, host net.Conn) *greeting {
	g := &greeting{host: host}
	g.wg.Go(func() {
		defer f.n.guard()
		var err error
		if g.n, err = io.Copy(struct{ io.Writer }{guest}, struct{ io.Reader }{host}); err == nil {
			guest.CloseWrite()
			guest.SetReadDeadline(time.Now().Add(firstLimit))
		}
	})
	return g
}

// stop ends it, and reports whether the server said anything.
func (g *greeting) stop() (spoke bool) {
	g.host.SetReadDeadline(time.Unix(1, 0))
	g.wg.Wait()
	g.host.SetReadDeadline(time.Time{})
	return g.n > 0
}

// rewound is a connection whose first bytes were read already.
type rewound struct {
	*metered
	r     io.Reader
	ended atomic.Bool // there was no more to read
}

func (c *rewound) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}
