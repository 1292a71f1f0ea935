package sandbox_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// flaky is a listener whose Accept fails some times before each connection.
type flaky struct {
	net.Listener
	fails int
	left  int
}

func (l *flaky) Accept() (net.Conn, error) {
	if l.left > 0 {
		l.left--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	l.left = l.fails
	return l.Listener.Accept()
}

// knocked returns the port that somebody tries to connect to in the newest guest.
func (c *cables) knocked(t *testing.T) uint16 {
	t.Helper()
	link := c.newest().Link
	link.SetReadDeadline(time.Now().Add(10 * time.Second))
	packet := make([]byte, 64<<10)
	for {
		n, err := link.Read(packet)
		if err != nil {
			t.Fatalf("nothing comes in: %v", err)
		}
		const ip, tcp = 14, 14 + 20
		if n >= tcp+20 && packet[ip]>>4 == 4 && packet[ip+9] == syscall.IPPROTO_TCP && packet[tcp+13] == 0x02 { // SYN
			return binary.BigEndian.Uint16(packet[tcp+2:])
		}
	}
}

// A published port leads to the sandbox, whichever session that is, and while it is
// none to nobody.
func TestPublishedPortOutlivesTheSession(t *testing.T) {
	m, guests := networked(t, t.TempDir(), listed(t), nil)
	id := createOn(t, m, sandboxtest.Config(), listed(t))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := sandbox.Publish(&flaky{Listener: ln, fails: 3, left: 3}, 80, func() *sandbox.Session { return m.Running("alice", id) }, nil)
	defer p.Close()
	connect := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second))
		return c
	}
	leadsIn := func(when string) {
		t.Helper()
		connect()
		if port := guests.knocked(t); port != 80 {
			t.Errorf("%s it leads to port %d of the guest", when, port)
		}
	}
	leadsNowhere := func(when string) {
		t.Helper()
		if n, err := connect().Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s a connection is not closed: %d bytes, %v", when, n, err)
		}
	}
	leadsIn("at first")
	if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{}); err != nil {
		t.Fatal(err)
	}
	leadsIn("once it was saved")
	open := connect()
	guests.knocked(t)
	if _, err := m.Rollback(t.Context(), "alice", id, "", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a connection to what was rolled back: %v, want its end", err)
	}
	leadsIn("after a rollback")
	if err := m.Suspend(t.Context(), "alice", id); err != nil {
		t.Fatal(err)
	}
	leadsNowhere("while it is suspended")
	wake(t, m, id)
	leadsIn("once it goes on")
	if err := m.End(t.Context(), "alice", id); err != nil {
		t.Fatal(err)
	}
	leadsNowhere("after its end")
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		c.Close()
		t.Error("a port that is published no more is open")
	}
}

// A sandbox without a network has no ports.
func TestPublishedPortOfASandboxWithoutANetwork(t *testing.T) {
	m, _ := networked(t, t.TempDir(), listed(t), nil)
	id := createOn(t, m, sandboxtest.Config(), sandbox.Network{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := sandbox.Publish(ln, 80, func() *sandbox.Session { return m.Running("alice", id) }, nil)
	defer p.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it leads somewhere: %d bytes, %v", n, err)
	}
}
