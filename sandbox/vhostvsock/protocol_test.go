package vhostvsock

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	hostPort  = 1024
	guestPort = 5000
)

// toHost is a header from the guest's port to the host's.
func toHost(o op) header { return header{op: o, srcPort: guestPort, dstPort: hostPort} }

// accept returns a connection that the guest has opened with req.
func (r *rig) accept(t testing.TB, req header) net.Conn {
	t.Helper()
	l, err := r.dev.Listen(hostPort)
	if err != nil {
		t.Fatal(err)
	}
	req.op, req.srcPort, req.dstPort = opRequest, guestPort, hostPort
	r.send(t, req, "")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	r.expect(t, opResponse, hostPort, guestPort)
	return c
}

func mustRead(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Fatalf("bytes read (-want +got):\n%s", diff)
	}
}

func mustWrite(t testing.TB, c net.Conn, p string) {
	t.Helper()
	if n, err := io.WriteString(c, p); err != nil || n != len(p) {
		t.Fatalf("wrote %d bytes of %d: %v", n, len(p), err)
	}
}

func wantReadError(t testing.TB, c net.Conn, want error) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, want) {
		t.Fatalf("Read = %d, %v; want error %v", n, err, want)
	}
}

func wantWriteError(t testing.TB, c net.Conn, want error) {
	t.Helper()
	if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, want) {
		t.Fatalf("Write = %d, %v; want error %v", n, err, want)
	}
}

func TestGuestConnects(t *testing.T) {
	r := newRig(t, Config{})
	l, err := r.dev.Listen(hostPort)
	if err != nil {
		t.Fatal(err)
	}
	r.send(t, toHost(opRequest), "")
	got := r.recv(t)
	want := packet{header: header{
		srcCID: HostCID, dstCID: testCID, srcPort: hostPort, dstPort: guestPort,
		typ: typeStream, op: opResponse, bufAlloc: DefaultBufferSize,
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(packet{}, header{})); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}

	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.RemoteAddr(), (Addr{testCID, guestPort}); got != want {
		t.Errorf("remote address is %v, not %v", got, want)
	}
	if got, want := c.LocalAddr(), (Addr{HostCID, hostPort}); got != want {
		t.Errorf("local address is %v, not %v", got, want)
	}
	r.send(t, toHost(opData), "to the host")
	mustRead(t, c, "to the host")
	mustWrite(t, c, "to the guest")
	p := r.expect(t, opData, hostPort, guestPort)
	if p.payload != "to the guest" || p.fwdCnt != uint32(len("to the host")) {
		t.Errorf("packet %+v", p)
	}
}

// What leads to no connection is answered with a reset, or not at all.
func TestPacketsOfNoConnection(t *testing.T) {
	tests := []struct {
		name   string
		header header
		reset  bool
	}{
		{"request to a port where nobody listens", header{op: opRequest, dstPort: 1}, true},
		{"data", header{op: opData, dstPort: hostPort}, true},
		{"shutdown", header{op: opShutdown, dstPort: hostPort}, true},
		{"credit update", header{op: opCreditUpdate, dstPort: hostPort}, true},
		{"response", header{op: opResponse, dstPort: hostPort}, true},
		{"no operation", header{op: 0, dstPort: hostPort}, true},
		{"unknown operation", header{op: 99, dstPort: hostPort}, true},
		{"request for another type of socket", header{op: opRequest, typ: 2, dstPort: hostPort}, true},
		{"reset", header{op: opReset, dstPort: hostPort}, false},
		{"reset of another type of socket", header{op: opReset, typ: 2, dstPort: hostPort}, false},
		{"request in the name of another guest", header{op: opRequest, srcCID: 4, dstPort: hostPort}, false},
		{"request in the name of the host", header{op: opRequest, srcCID: HostCID, dstPort: hostPort}, false},
		{"request to another guest", header{op: opRequest, dstCID: 4, dstPort: hostPort}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Config{})
			if _, err := r.dev.Listen(hostPort); err != nil {
				t.Fatal(err)
			}
			tt.header.srcPort = guestPort
			r.send(t, tt.header, "")
			if tt.reset {
				if p := r.expect(t, opReset, tt.header.dstPort, guestPort); p.typ != max(tt.header.typ, typeStream) {
					t.Errorf("reset is of type %d", p.typ)
				}
			}
			r.silent(t)
			if n := len(r.link.conns); n != 0 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// A guest cannot make the host hold more connections than it allows.
func TestFloodOfRequests(t *testing.T) {
	for _, cfg := range []Config{{Backlog: 3}, {MaxConns: 3}} {
		r := newRig(t, cfg)
		if _, err := r.dev.Listen(hostPort); err != nil {
			t.Fatal(err)
		}
		for port := range uint32(10) {
			r.send(t, header{op: opRequest, srcPort: port, dstPort: hostPort}, "")
			want := opResponse
			if port >= 3 {
				want = opReset
			}
			r.expect(t, want, hostPort, port)
		}
	}
}

// Answers wait in a bounded queue: while it is full, nothing is taken from the
// guest, and nothing is lost.
func TestGuestThatTakesNoAnswers(t *testing.T) {
	const resets = 10
	r := bareRig(t, Config{MaxResets: resets}, 128)
	for port := range uint32(40) {
		r.send(t, header{op: opData, srcPort: port, dstPort: hostPort}, "")
	}
	if n := r.link.resets.len(); n != resets {
		t.Fatalf("%d resets wait, not %d", n, resets)
	}
	r.feed(-1)
	for port := range uint32(40) {
		select {
		case <-r.wake:
			r.kickTX()
		default:
		}
		r.expect(t, opReset, hostPort, port)
	}
	r.silent(t)
}

// A guest that takes no packets cannot pile up connections that have ended.
func TestGuestThatComesAndGoes(t *testing.T) {
	r := bareRig(t, Config{}, 128)
	l, err := r.dev.Listen(hostPort)
	if err != nil {
		t.Fatal(err)
	}
	r.send(t, header{op: opRequest, srcPort: 1, dstPort: hostPort}, "")
	for range 100 {
		r.send(t, toHost(opRequest), "")
		r.send(t, toHost(opReset), "")
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.link.senders.len(); n > 2 {
		t.Errorf("%d connections wait to send", n)
	}
}

func TestDial(t *testing.T) {
	dial := func(ctx context.Context, r *rig) <-chan error {
		done := make(chan error, 1)
		go func() {
			c, err := r.dev.Dial(ctx, guestPort)
			if err == nil {
				err = c.Close()
			}
			done <- err
		}()
		return done
	}
	answer := func(p packet, o op) header {
		return header{op: o, srcPort: guestPort, dstPort: p.srcPort}
	}

	t.Run("accepted", func(t *testing.T) {
		r := newRig(t, Config{})
		done := dial(t.Context(), r)
		p := r.recv(t)
		if p.op != opRequest || p.dstPort != guestPort || p.bufAlloc != DefaultBufferSize {
			t.Fatalf("packet %+v", p)
		}
		r.send(t, answer(p, opResponse), "")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if p := r.expect(t, opShutdown, p.srcPort, guestPort); p.flags != shutBoth {
			t.Errorf("shutdown has flags %d", p.flags)
		}
		r.send(t, answer(p, opReset), "")
		r.silent(t)
	})
	t.Run("refused", func(t *testing.T) {
		r := newRig(t, Config{})
		done := dial(t.Context(), r)
		r.send(t, answer(r.recv(t), opReset), "")
		if err := <-done; !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("error is %v", err)
		}
		r.silent(t)
	})
	t.Run("answered with nonsense", func(t *testing.T) {
		r := newRig(t, Config{})
		done := dial(t.Context(), r)
		p := r.recv(t)
		r.send(t, answer(p, opData), "early")
		if err := <-done; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("error is %v", err)
		}
		r.expect(t, opReset, p.srcPort, guestPort)
	})
	t.Run("canceled", func(t *testing.T) {
		r := newRig(t, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := dial(ctx, r)
		p := r.recv(t)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
		r.expect(t, opReset, p.srcPort, guestPort)
	})
	t.Run("canceled before a driver is there", func(t *testing.T) {
		r := bareRig(t, Config{}, 128)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := r.dev.Dial(ctx, guestPort)
		if nerr := net.Error(nil); !errors.As(err, &nerr) || !nerr.Timeout() {
			t.Errorf("error is no timeout: %v", err)
		}
		r.feed(-1)
		r.silent(t)
	})
	t.Run("no VMM", func(t *testing.T) {
		d, err := New(Config{GuestCID: testCID})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := d.Dial(t.Context(), 1); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestGuestShutdown(t *testing.T) {
	shutdown := func(flags uint32) header {
		h := toHost(opShutdown)
		h.flags = flags
		return h
	}
	t.Run("sends no more", func(t *testing.T) {
		r := newRig(t, Config{})
		c := r.accept(t, header{})
		r.send(t, toHost(opData), "last")
		r.send(t, shutdown(shutSend), "")
		mustRead(t, c, "last")
		wantReadError(t, c, io.EOF)
		mustWrite(t, c, "still heard")
		r.expect(t, opData, hostPort, guestPort)
		r.send(t, toHost(opData), "but I said")
		r.expect(t, opReset, hostPort, guestPort)
	})
	t.Run("receives no more", func(t *testing.T) {
		r := newRig(t, Config{})
		c := r.accept(t, header{})
		r.send(t, shutdown(shutReceive), "")
		wantWriteError(t, c, syscall.EPIPE)
		r.send(t, toHost(opData), "heard")
		mustRead(t, c, "heard")
		r.silent(t)
	})
	t.Run("neither", func(t *testing.T) {
		r := newRig(t, Config{})
		c := r.accept(t, header{})
		r.send(t, toHost(opData), "last")
		r.send(t, shutdown(shutBoth), "")
		r.expect(t, opReset, hostPort, guestPort)
		mustRead(t, c, "last")
		wantReadError(t, c, io.EOF)
		wantWriteError(t, c, syscall.EPIPE)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		r.silent(t)
	})
	t.Run("wakes a reader and a writer", func(t *testing.T) {
		r := newRig(t, Config{})
		c := r.accept(t, header{bufAlloc: 1})
		errs := make(chan error, 2)
		go func() { _, err := c.Read(make([]byte, 1)); errs <- err }()
		go func() { _, err := io.WriteString(c, "12"); errs <- err }()
		r.expect(t, opData, hostPort, guestPort)
		r.expect(t, opCreditRequest, hostPort, guestPort)
		r.send(t, shutdown(shutBoth), "")
		for range 2 {
			if err := <-errs; err != io.EOF && !errors.Is(err, syscall.EPIPE) {
				t.Error(err)
			}
		}
	})
}

func TestGuestReset(t *testing.T) {
	r := newRig(t, Config{})
	c := r.accept(t, header{})
	r.send(t, toHost(opData), "last")
	r.send(t, toHost(opReset), "")
	mustRead(t, c, "last")
	wantReadError(t, c, syscall.ECONNRESET)
	wantWriteError(t, c, syscall.ECONNRESET)
	r.silent(t)
}

func TestCloseWrite(t *testing.T) {
	r := newRig(t, Config{})
	c := r.accept(t, header{}).(*Conn)
	mustWrite(t, c, "last")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	r.expect(t, opData, hostPort, guestPort)
	if p := r.expect(t, opShutdown, hostPort, guestPort); p.flags != shutSend {
		t.Errorf("shutdown has flags %d", p.flags)
	}
	wantWriteError(t, c, syscall.EPIPE)
	r.send(t, toHost(opData), "answer")
	mustRead(t, c, "answer")
}

func TestClose(t *testing.T) {
	t.Run("wakes a reader and a writer", func(t *testing.T) {
		r := newRig(t, Config{})
		c := r.accept(t, header{bufAlloc: 1})
		errs := make(chan error, 2)
		go func() { _, err := c.Read(make([]byte, 1)); errs <- err }()
		go func() { _, err := io.WriteString(c, "12"); errs <- err }()
		r.expect(t, opData, hostPort, guestPort)
		r.expect(t, opCreditRequest, hostPort, guestPort)
		c.Close()
		for range 2 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
		r.expect(t, opShutdown, hostPort, guestPort)
	})
	t.Run("guest closes at the same time", func(t *testing.T) {
		r := newRig(t, Config{})
		r.accept(t, header{}).Close()
		r.expect(t, opShutdown, hostPort, guestPort)
		h := toHost(opShutdown)
		h.flags = shutBoth
		r.send(t, h, "")
		r.expect(t, opReset, hostPort, guestPort)
	})
	t.Run("guest does not answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{})
			r.accept(t, header{}).Close()
			r.expect(t, opShutdown, hostPort, guestPort)
			r.send(t, toHost(opData), "I go on")
			time.Sleep(closeTimeout - time.Nanosecond)
			synctest.Wait()
			r.silent(t)
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			r.expect(t, opReset, hostPort, guestPort)
			if n := len(r.link.conns); n != 0 {
				t.Errorf("%d connections", n)
			}
		})
	})
	t.Run("listener with a backlog", func(t *testing.T) {
		r := newRig(t, Config{})
		l, err := r.dev.Listen(hostPort)
		if err != nil {
			t.Fatal(err)
		}
		r.send(t, toHost(opRequest), "")
		r.expect(t, opResponse, hostPort, guestPort)
		l.Close()
		r.expect(t, opShutdown, hostPort, guestPort)
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		if _, err := r.dev.Listen(hostPort); err != nil {
			t.Errorf("Listen on the same port: %v", err)
		}
	})
}

// The end of a driver is the end of its connections, and of nothing else.
func TestUnplug(t *testing.T) {
	r := newRig(t, Config{})
	c := r.accept(t, header{})
	r.send(t, toHost(opData), "last")
	r.unplug()
	mustRead(t, c, "last")
	wantReadError(t, c, syscall.ECONNRESET)
	wantWriteError(t, c, syscall.ECONNRESET)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.dev.Listen(hostPort); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Listen on a port that is taken: %v", err)
	}
}

// Indexes of 16 bits go round.
func TestIndexWrap(t *testing.T) {
	r := bareRig(t, Config{}, 8)
	for _, q := range []*driverQueue{r.rx, r.tx} {
		q.availIdx, q.usedIdx = 1<<16-20, 1<<16-20
		for _, ring := range []uint64{q.avail, q.used} {
			q.put(ring+2, binary.LittleEndian.AppendUint16(nil, q.availIdx))
		}
	}
	r.connect()
	r.feed(-1)
	c := r.accept(t, header{})
	for i := range 100 {
		msg := strconv.Itoa(i)
		r.send(t, toHost(opData), msg)
		mustRead(t, c, msg)
		mustWrite(t, c, msg)
		if p := r.expect(t, opData, hostPort, guestPort); p.payload != msg {
			t.Fatalf("payload is %q, not %q", p.payload, msg)
		}
	}
	if r.rx.usedIdx > 1000 || r.tx.usedIdx > 1000 {
		t.Errorf("indexes are %d and %d", r.rx.usedIdx, r.tx.usedIdx)
	}
}

// Bytes on their way cost the device no allocation.
func TestWriteAllocatesNothing(t *testing.T) {
	r := newRig(t, Config{})
	c := r.accept(t, header{})
	p := []byte("some bytes")
	if n := testing.AllocsPerRun(40, func() {
		if _, err := c.Write(p); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each Write", n)
	}
}

func TestBufferKeepsOrder(t *testing.T) {
	var b buffer
	var sent, got bytes.Buffer
	next := byte(0)
	for i := range 2000 {
		n := i * 7 % 1500
		first, second := b.space(n)
		for _, p := range [][]byte{first, second} {
			for j := range p {
				p[j] = next
				next++
			}
			sent.Write(p)
		}
		b.commit(n)
		p := make([]byte, i*11%1600)
		got.Write(p[:b.read(p)])
	}
	p := make([]byte, b.n)
	got.Write(p[:b.read(p)])
	if !bytes.Equal(sent.Bytes(), got.Bytes()) {
		t.Error("bytes have changed")
	}
}
