package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// answers reports whether a connection carries a line there and back.
func answers(c net.Conn) error {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "x"); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// entry waits for a line of the log that has all the words.
func (w *world) entry(words ...string) audit.Entry {
	w.t.Helper()
	limit := time.After(10 * time.Second)
	for {
		w.mu.Lock()
		log, more := w.log, w.more
		w.mu.Unlock()
	entries:
		for _, e := range log {
			for _, word := range words {
				if !strings.Contains(e.String(), word) {
					continue entries
				}
			}
			return e
		}
		select {
		case <-more:
		case <-limit:
			w.t.Fatalf("the log has no line with %q: %v", words, log)
		}
	}
}

// What was opened when the address itself was allowed was never asked whom it means.
func TestTighteningCutsWhatWasNotLookedAt(t *testing.T) {
	w := newWorld(t, policy.Open)
	w.name("a.example", "203.0.113.1")
	w.put("203.0.113.1:443", echo(t))
	w.put("203.0.113.2:443", echo(t))
	w.resolve("a.example")
	var conns []net.Conn
	for _, a := range []string{"203.0.113.1:443", "203.0.113.2:443"} {
		c, err := w.guest.dial(t.Context(), "tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := answers(c); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	w.net.SetPolicy(w.policy(policy.Allow, "a.example:443", "203.0.113.2"))
	if err := answers(conns[0]); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection that nobody has looked at goes on under a policy of names: %v", err)
	}
	if err := answers(conns[1]); err != nil {
		t.Errorf("a connection to an address that is still allowed was cut: %v", err)
	}
}

// A guest that never acknowledges what it got holds the place of its connection for as
// long as there is memory of it, which is not for ever.
func TestPlacesAreHeldAsLongAsMemory(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(io.Discard, c) // until the guest has ended its half
				c.Write(make([]byte, 100<<10))
				c.Close()
			}()
		}
	}()
	w := newWorld(t, policy.Open)
	w.net.linger = 2 * time.Second
	w.put("203.0.113.1:7", ln.Addr())
	c, err := w.guest.dial(t.Context(), "tcp", "203.0.113.1:7")
	if err != nil {
		t.Fatal(err)
	}
	if err := closeWrite(c); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	w.guest.mute.Store(true) // from now on it acknowledges nothing
	w.net.mu.Lock()
	var flow *flow
	for flow = range w.net.flows {
	}
	w.net.mu.Unlock()
	if flow == nil {
		t.Fatal("the connection has lost its place")
	}
	w.entry("203.0.113.1:7") // that it has ended is known at once
	select {
	case <-flow.ctx.Done():
		t.Error("the place is free before the guest has acknowledged anything")
	default:
	}
	<-flow.ctx.Done()
	if left := len(w.net.stack.RegisteredEndpoints()) + len(w.net.stack.CleanupEndpoints()) - 2; left > 0 {
		t.Errorf("the place of a connection is free, and the stack has %d of them", left)
	}
}

// Browsers connect in advance, and people look whether somebody is there.
func TestSilenceIsNoRefusal(t *testing.T) {
	w := newWorld(t, policy.Allow, "a.example")
	w.name("a.example", "203.0.113.1")
	w.put("203.0.113.1:443", echo(t))
	w.put("203.0.113.1:80", echo(t))
	w.resolve("a.example")
	c, err := w.guest.dial(t.Context(), "tcp", "203.0.113.1:443")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if e := w.entry("tcp a.example:443"); e.Verdict != audit.Allowed {
		t.Errorf("a connection on which nothing was said: %s", e)
	}
	if c, err = w.guest.dial(t.Context(), "tcp", "203.0.113.1:80"); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET / HTTP/1.1\r\nHost:")
	c.Close()
	if e := w.entry("tcp a.example:80"); e.Verdict != audit.Allowed {
		t.Errorf("a request that was given up: %s", e)
	}
	c, err = w.guest.dial(t.Context(), "tcp", "203.0.113.1:443")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "\x16\x03")
	c.Close()
	w.entry("blocked tcp a.example:443", notUnderstood)
}

// A server that speaks first and closes is heard to the end.
func TestServersThatSpeakFirstAndClose(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "the time is now")
			c.Close()
		}
	}()
	w := newWorld(t, policy.Allow, "a.example:13")
	w.name("a.example", "203.0.113.1")
	w.put("203.0.113.1:13", ln.Addr())
	w.resolve("a.example")
	c, err := w.guest.dial(t.Context(), "tcp", "203.0.113.1:13")
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if got, err := io.ReadAll(c); string(got) != "the time is now" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	c.Close()
	if e := w.entry("tcp a.example:13"); e.Verdict != audit.Allowed {
		t.Error(e)
	}
}

// A policy that changes as soon as a request was judged finds whom that is for, and not
// whom the one before it was for.
func TestTighteningOnceARequestWasJudged(t *testing.T) {
	w := newWorld(t, policy.Allow, "a.example", "b.example")
	w.name("a.example", "203.0.113.1")
	w.name("b.example", "203.0.113.1")
	w.resolve("a.example")
	w.resolve("b.example")
	f := w.net.open(audit.TCP, policy.TCP, netip.MustParseAddrPort("203.0.113.1:80"))
	defer f.end()
	for _, host := range []string{"a.example", "b.example", "c.example"} {
		_, reason := f.judgeRequest(httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil))
		if (reason == "") != (host != "c.example") {
			t.Errorf("%s: %q", host, reason)
		}
	}
	w.net.SetPolicy(w.policy(policy.Allow, "b.example"))
	if f.ctx.Err() != nil {
		t.Error("the connection is cut though its last request is for b.example, which is allowed")
	}
	w.net.SetPolicy(w.policy(policy.Allow, "a.example"))
	if f.ctx.Err() == nil {
		t.Error("the connection stays though its last request is for b.example, which is not allowed")
	}
}

// A connection that the policy allows and nobody takes is no refusal, and the log
// says what became of it.
func TestFailuresAreLogged(t *testing.T) {
	w := newWorld(t, policy.Open)
	if _, err := w.says("203.0.113.1:7", "x"); err == nil {
		t.Fatal("somebody is there")
	}
	if e := w.entry("203.0.113.1:7"); e.Verdict != audit.Allowed || !strings.Contains(e.Reason, "refused") {
		t.Errorf("a connection that nobody takes: %s", e)
	}
}

// Questions take no place of a connection.
func TestQuestionsTakeNoConnections(t *testing.T) {
	w := newWorld(t, policy.Allow, "a.example:7")
	w.net.cfg.Limits.Connections = 1
	w.name("a.example", "203.0.113.1")
	w.put("203.0.113.1:7", echo(t))
	for range 3 {
		w.resolve("a.example")
	}
	if got, err := w.says("203.0.113.1:7", "x\n"); err != nil || got != "x\n" {
		t.Errorf("after three questions: %q, %v", got, err)
	}
}

// Who writes the log may be slow, and holds up nothing but what is logged.
func TestASlowLogHoldsUpNobody(t *testing.T) {
	w := newWorld(t, policy.Allow, "203.0.113.1:7")
	w.put("203.0.113.1:7", echo(t))
	slow, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	log := w.net.cfg.OnEntry
	w.net.cfg.OnEntry = func(e audit.Entry) {
		log(e)
		if e.Verdict == audit.Blocked {
			close(slow)
			<-release
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go w.guest.dial(ctx, "tcp", "203.0.113.2:7")
	<-slow
	done := make(chan error, 1)
	go func() {
		_, err := w.says("203.0.113.1:7", "x")
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("a connection waits for the log of another one")
	}
}

// A guest that goes on elsewhere remembers addresses, and so does its network.
func TestPinsAreTakenAlong(t *testing.T) {
	w := newWorld(t, policy.Allow, "a.example:7")
	w.name("a.example", "203.0.113.1")
	w.put("203.0.113.1:7", echo(t))
	w.resolve("a.example")
	ours, theirs := datagramPair(t)
	defer theirs.Close()
	n, err := New(Config{Frames: ours, MAC: guestMAC, Policy: w.net.Policy(), Pins: w.net.Pins(), Own: w.net.cfg.Own})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if v := n.judge(policy.TCP, netip.MustParseAddrPort("203.0.113.1:7"), false); !v.Allowed {
		t.Errorf("what the guest remembers is refused: %s", v.Reason)
	}
}

// A guest that begins a connection and never completes it holds up nobody.
func TestCloseWhileAConnectionIsBegun(t *testing.T) {
	w := newWorld(t, policy.Open)
	server := echo(t)
	w.net.cfg.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		w.guest.mute.Store(true)
		return new(net.Dialer).DialContext(ctx, "tcp", server.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go w.guest.dial(ctx, "tcp", "203.0.113.1:7")
	<-w.guest.spoken // the connection is taken
	began := time.Now()
	if err := w.net.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to close the network", took)
	}
}
