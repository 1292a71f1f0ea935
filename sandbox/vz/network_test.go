package vz

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// networked returns a config with a network on which nothing may be reached.
func networked(t *testing.T) sandbox.Config {
	cfg := imageConfig(t)
	cfg.Network = sandbox.NewNetwork(policy.Config{Mode: policy.Allow})
	return cfg
}

// TestNetwork has a guest send what no network of a sandbox carries: that it is told
// of it shows that the card ends there.
func TestNetwork(t *testing.T) {
	hv := new(fakeHypervisor)
	told := make(chan audit.Entry, 1)
	s, err := sandbox.Start(t.Context(), newBackend(hv, "arm64", Options{}), networked(t), sandbox.StartOptions{
		Dir:     t.TempDir(),
		Network: sandbox.NetworkOptions{OnEntry: func(e audit.Entry) { told <- e }},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	v := hv.last()
	card, guest := v.spec.card, v.boot.Network
	if card.mac.String() != guest.MAC || card.mtu != guest.MTU {
		t.Errorf("the card has %v and takes %d bytes, and its guest was told %s and %d", card.mac, card.mtu, guest.MAC, guest.MTU)
	}
	to := netip.MustParseAddr("203.0.113.9")
	if _, err := card.cable.Write(ping(t, guest.MAC, guest.Addresses[0], to)); err != nil {
		t.Fatal(err)
	}
	e := <-told
	if e.Verdict != audit.Blocked || e.Addr.Addr() != to || e.Reason != "ICMP is not carried" {
		t.Errorf("the network tells %+v", e)
	}
	s.Stop()
	if _, err := card.cable.Write(make([]byte, 60)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the framework's end of the cable after the machine has ended: %v, want it closed", err)
	}
}

// ping returns the frame of an ICMP packet from a card.
func ping(t *testing.T, mac, address string, to netip.Addr) []byte {
	t.Helper()
	own, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	from, err := netip.ParsePrefix(address)
	if err != nil {
		t.Fatal(err)
	}
	const size = 28
	ip := make([]byte, size)
	ip[0], ip[8], ip[9] = 0x45, 64, 1
	binary.BigEndian.PutUint16(ip[2:], size)
	copy(ip[12:], from.Addr().AsSlice())
	copy(ip[16:], to.AsSlice())
	return slices.Concat(make([]byte, 6), own, []byte{0x08, 0x00}, ip)
}

// TestCable sends frames both ways: each arrives as it was sent, and the sender of
// one for which there is no room goes on.
func TestCable(t *testing.T) {
	ours, theirs, err := newCable()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	longest := make([]byte, 14+16<<10)
	for _, frame := range [][]byte{[]byte("short"), longest} {
		for name, way := range map[string]struct {
			from io.Writer
			to   io.Reader
		}{"to the guest": {ours, theirs}, "from the guest": {theirs, ours}} {
			if n, err := way.from.Write(frame); n != len(frame) || err != nil {
				t.Fatalf("%s: %d, %v", name, n, err)
			}
			got := make([]byte, len(longest)+1)
			if n, err := way.to.Read(got); err != nil || !slices.Equal(got[:n], frame) {
				t.Errorf("%s: %d bytes arrived of %d, %v", name, n, len(frame), err)
			}
		}
	}
}

// refusing is a socket that has an error for whoever writes.
type refusing struct {
	net.Conn
	err error
}

func (r refusing) Write([]byte) (int, error) {
	return 0, &net.OpError{Op: "write", Err: os.NewSyscallError("write", r.err)}
}

func TestLossy(t *testing.T) {
	if n, err := (lossy{refusing{err: syscall.ENOBUFS}}).Write(make([]byte, 60)); n != 60 || err != nil {
		t.Errorf("without room: %d, %v; want the frame lost", n, err)
	}
	if _, err := (lossy{refusing{err: syscall.EPIPE}}).Write(make([]byte, 60)); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("without another end: %v, want EPIPE", err)
	}
}

// TestNetworkIsNotSaved checks that what cannot be restored is refused before
// anything happens, and so that a desktop with a network is booted.
func TestNetworkIsNotSaved(t *testing.T) {
	hv := new(fakeHypervisor)
	b := newBackend(hv, "arm64", Options{})
	cfg := networked(t)
	_, err := b.Fingerprint(t.Context(), cfg)
	unsaved(t, "Fingerprint", err)

	s := bootFake(t, hv, cfg)
	calls := len(hv.calls)
	_, err = s.Snapshot(t.Context())
	unsaved(t, "Snapshot", err)
	if len(hv.calls) != calls {
		t.Errorf("it was tried to save it: %q", hv.calls[calls:])
	}
	click(t, s)

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, savedFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = b.Resume(t.Context(), cfg, hv.last().boot, &state{dir: dir}, t.TempDir(), nil)
	unsaved(t, "Resume", err)
}

func unsaved(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, sandbox.ErrSnapshotUnsupported) {
		t.Errorf("%s: %v, want an unsupported", what, err)
	}
}
