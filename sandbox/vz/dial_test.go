package vz

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// bootDialled starts a sandbox whose guest does that when it is dialled.
func bootDialled(t *testing.T, answer func(port uint32) (net.Conn, error)) (*sandbox.Session, *fakeVM) {
	t.Helper()
	hv := new(fakeHypervisor)
	cfg := imageConfig(t)
	cfg.GuestPort = 7000
	s := bootFake(t, hv, cfg)
	v := hv.last()
	v.answer = answer
	return s, v
}

func TestDial(t *testing.T) {
	guests := make(chan net.Conn, 1)
	s, _ := bootDialled(t, func(port uint32) (net.Conn, error) {
		if port != 7000 {
			t.Errorf("port %d was dialled, want 7000", port)
		}
		host, guest := net.Pipe()
		guests <- guest
		return host, nil
	})
	conn, err := s.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	guest := <-guests
	go io.WriteString(guest, "hello")
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("the guest sent %q, %v", got, err)
	}
	s.Stop()
	if _, err := conn.Read(got); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("read after the end: %v, want the connection closed", err)
	}
}

func TestDialRefused(t *testing.T) {
	s, _ := bootDialled(t, nil)
	if _, err := s.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, sandbox.ErrVsock) {
		t.Errorf("Dial: %v, want it refused", err)
	}
}

// TestDialUnanswered dials a guest that never answers, more often than may be, and
// one that answers too late.
func TestDialUnanswered(t *testing.T) {
	answers := make(chan net.Conn)
	s, _ := bootDialled(t, func(uint32) (net.Conn, error) { return <-answers, nil })
	for range 2 * maxDialling {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := s.Dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial: %v, want it given up", err)
		}
		cancel()
	}
	for range maxDialling {
		host, guest := net.Pipe()
		answers <- host
		if _, err := guest.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a connection that nobody waits for: %v, want it closed", err)
		}
	}
	select {
	case answers <- nil:
		t.Error("more connections were under way than may be")
	default:
	}
}

// TestDialEnds ends a machine whose guest is being dialled.
func TestDialEnds(t *testing.T) {
	hv, cfg := new(fakeHypervisor), imageConfig(t)
	boot := desktop.Boot{Token: "secret", Port: 5000, Screen: cfg.Screen}
	started, err := newBackend(hv, "arm64", Options{}).Start(t.Context(), cfg, boot, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := started.(sandbox.Dialer)
	defer m.Stop()
	dialled, answers := make(chan struct{}), make(chan net.Conn)
	hv.last().answer = func(uint32) (net.Conn, error) {
		close(dialled)
		return <-answers, nil
	}
	failed := make(chan error)
	go func() {
		_, err := m.Dial(t.Context(), 7000)
		failed <- err
	}()
	<-dialled
	if err := m.Stop(); err != nil { // it does not wait for the guest
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial: %v, want net.ErrClosed", err)
	}
	if _, err := m.Dial(t.Context(), 7000); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial after the end: %v, want net.ErrClosed", err)
	}
	host, guest := net.Pipe()
	answers <- host
	if _, err := guest.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a connection to a machine that has ended: %v, want it closed", err)
	}
}

func TestRefusal(t *testing.T) {
	const posix = "NSPOSIXErrorDomain"
	tests := []struct {
		name   string
		domain string
		code   syscall.Errno
		want   bool
	}{
		{"reset", posix, syscall.ECONNRESET, true},
		{"refused", posix, syscall.ECONNREFUSED, true},
		{"too many files", posix, syscall.EMFILE, false},
		{"the framework's own", "VZErrorDomain", syscall.ECONNRESET, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			said := errors.New("what the framework said")
			err := refusal(said, tt.domain, int(tt.code))
			if !errors.Is(err, said) || errors.Is(err, syscall.ECONNREFUSED) != tt.want {
				t.Errorf("error %v, want it refused: %v", err, tt.want)
			}
		})
	}
}
