package vhostvsock

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestIntegrationGuest boots a Linux guest under QEMU and holds its own vsock
// driver against the device.
func TestIntegrationGuest(t *testing.T) {
	m := bootVM(t)
	m.awaitGuest(t)

	t.Run("round trip", m.testRoundTrip)
	t.Run("echo on many connections", m.testEcho)
	t.Run("host to guest", m.testSink)
	t.Run("guest to host", m.testSource)
	t.Run("guest dials", m.testGuestDials)
	t.Run("refusals", m.testRefusals)
	t.Run("guest that never reads", m.testMute)
	t.Run("many short connections", m.testShort)
	t.Run("stop and cont", m.testStopCont)
	t.Run("unplug and plug", m.testPlug)
}

// awaitGuest waits for the guest to connect, unless it powers off before.
func (m *vm) awaitGuest(t *testing.T) {
	t.Helper()
	hello, err := m.dev.Listen(1024)
	if err != nil {
		t.Fatal(err)
	}
	defer hello.Close()
	accepted := make(chan error, 1)
	go func() {
		c, err := hello.Accept()
		if err == nil {
			err = c.Close()
		}
		accepted <- err
	}()
	select {
	case err := <-accepted:
		if err != nil {
			t.Fatal(err)
		}
	case err := <-m.served:
		m.served <- err
		hello.Close()
		<-accepted
		t.Fatalf("guest ended before it connected: %v", err)
	case <-time.After(2 * time.Minute):
		hello.Close()
		<-accepted
		t.Fatal("guest did not connect")
	}
}

// dial connects to a port of the guest, for no longer than a minute in all.
func (m *vm) dial(t testing.TB, port uint32) *Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := m.dev.Dial(ctx, port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*Conn)
}

func (m *vm) testRoundTrip(t *testing.T) {
	c := m.dial(t, 7)
	times := make([]time.Duration, 500)
	msg := make([]byte, 64)
	for i := range times {
		start := time.Now()
		pingPong(t, c, msg)
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	t.Logf("64 bytes there and back: p50 %v, p95 %v, n %d", times[len(times)/2], times[len(times)*95/100], len(times))
}

func pingPong(t testing.TB, c net.Conn, msg []byte) {
	t.Helper()
	if _, err := c.Write(msg); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(msg))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, msg) {
		t.Fatalf("sent %q, got %q", msg, got)
	}
}

func (m *vm) testEcho(t *testing.T) {
	const conns, size = 8, 8 << 20
	var wg sync.WaitGroup
	for i := range conns {
		c := m.dial(t, 7)
		sent, got := crc32.NewIEEE(), crc32.NewIEEE()
		wg.Go(func() {
			random := rand.NewChaCha8([32]byte{byte(i)})
			if _, err := io.CopyN(io.MultiWriter(c, sent), random, size); err != nil {
				t.Error(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			n, err := io.Copy(got, c)
			if err != nil || n != size {
				t.Errorf("read %d bytes of %d: %v", n, size, err)
			}
		})
		t.Cleanup(func() {
			if sent.Sum32() != got.Sum32() {
				t.Errorf("connection %d: bytes have changed", i)
			}
		})
	}
	wg.Wait()
}

func (m *vm) testSink(t *testing.T) {
	const size = 32 << 20
	c := m.dial(t, 9)
	sum := crc32.NewIEEE()
	buf := make([]byte, 256<<10)
	_, _ = rand.NewChaCha8([32]byte{}).Read(buf)
	start := time.Now()
	for range size / len(buf) {
		sum.Write(buf)
		if _, err := c.Write(buf); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f MB/s", size/1e6/time.Since(start).Seconds())
	want := binary.LittleEndian.AppendUint64(nil, size)
	want = binary.LittleEndian.AppendUint32(want, sum.Sum32())
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("length and checksum (-want +got):\n%s", diff)
	}
}

func (m *vm) testSource(t *testing.T) {
	const size = 64 << 20
	c := m.dial(t, 19)
	start := time.Now()
	if _, err := c.Write(binary.LittleEndian.AppendUint64(nil, size)); err != nil {
		t.Fatal(err)
	}
	n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{c}, make([]byte, 256<<10))
	if err != nil || n != size {
		t.Fatalf("read %d bytes of %d: %v", n, size, err)
	}
	t.Logf("%.0f MB/s", size/1e6/time.Since(start).Seconds())
}

// callBack asks the guest to dial a port of the host and returns what it says.
func (m *vm) callBack(t *testing.T, port uint32) string {
	t.Helper()
	c := m.dial(t, 20)
	if _, err := c.Write(binary.LittleEndian.AppendUint32(nil, port)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 256)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func (m *vm) testGuestDials(t *testing.T) {
	l, err := m.dev.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := l.Addr().(Addr)
	if got := m.callBack(t, addr.Port); got != "connected" {
		t.Fatal(got)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteAddr().(Addr).CID != testCID || c.LocalAddr() != addr {
		t.Errorf("connection is from %v to %v", c.RemoteAddr(), c.LocalAddr())
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	pingPong(t, c, []byte("over here"))
}

func (m *vm) testRefusals(t *testing.T) {
	if _, err := m.dev.Dial(t.Context(), 12345); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial of a port without a listener: %v", err)
	}
	if got := m.callBack(t, 12345); got == "connected" {
		t.Error("guest could connect to a port without a listener")
	}
}

// A guest that does not read stops its own connection and no other.
func (m *vm) testMute(t *testing.T) {
	c := m.dial(t, 21)
	_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	n, err := c.Write(make([]byte, 8<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 8<<20 {
		t.Fatalf("wrote %d bytes: %v", n, err)
	}
	pingPong(t, m.dial(t, 7), []byte("still here"))
}

func (m *vm) testShort(t *testing.T) {
	const conns = 300
	start := time.Now()
	for range conns {
		c := m.dial(t, 7)
		pingPong(t, c, []byte("hello"))
		c.Close()
	}
	t.Logf("%d connections, %v each", conns, time.Since(start)/conns)
}

// A guest that stands still keeps its connections; what is written to it waits.
func (m *vm) testStopCont(t *testing.T) {
	c := m.dial(t, 7)
	for range 5 {
		m.command(t, "stop", nil)
		wrote := make(chan error, 1)
		go func() {
			_, err := c.Write([]byte("while it stands still"))
			wrote <- err
		}()
		m.command(t, "cont", nil)
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len("while it stands still"))
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		pingPong(t, c, []byte("and goes on"))
	}
}

// The device can be taken out and put in again, as a start from a saved state
// does: what was connected ends, and new connections work.
func (m *vm) testPlug(t *testing.T) {
	old := m.dial(t, 7)
	pingPong(t, old, []byte("before"))
	m.command(t, "device_del", map[string]any{"id": "vsock0"})
	m.awaitEvent(t, "DEVICE_DELETED")
	for removed := false; !removed; {
		removed = m.removeChardev(t)
	}
	if err := <-m.served; err != nil {
		t.Fatalf("Serve: %v", err)
	}
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read of a connection without a device: %v", err)
	}
	if _, err := m.dev.Dial(t.Context(), 7); !errors.Is(err, syscall.ENETDOWN) {
		t.Errorf("dial without a device: %v", err)
	}

	ours, theirs := socketPair(t)
	m.serve(t, ours)
	start := time.Now()
	m.command(t, "getfd", map[string]any{"fdname": "vsock"}, int(theirs.Fd()))
	m.command(t, "chardev-add", map[string]any{"id": "vsock2", "backend": map[string]any{
		"type": "socket", "data": map[string]any{
			"server": false, "addr": map[string]any{"type": "fd", "data": map[string]any{"str": "vsock"}},
		},
	}})
	m.command(t, "device_add", map[string]any{"driver": "vhost-user-vsock-pci", "id": "vsock1", "chardev": "vsock2", "bus": "root0"})
	pingPong(t, m.dial(t, 7), []byte("after"))
	t.Logf("plugged in and connected after %v", time.Since(start))
}

// removeChardev reports whether QEMU lets go of the socket, which the device
// keeps busy for some time after its end.
func (m *vm) removeChardev(t *testing.T) bool {
	t.Helper()
	err := m.tryCommand("chardev-remove", map[string]any{"id": "vsock"})
	if err != nil && !bytes.Contains([]byte(err.Error()), []byte("busy")) {
		t.Fatal(err)
	}
	return err == nil
}
