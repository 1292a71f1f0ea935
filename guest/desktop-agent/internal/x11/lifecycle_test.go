package x11

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

func TestOpenWithoutAServer(t *testing.T) {
	for _, display := range []string{"", "nonsense", "localhost:1", ":54321"} {
		if _, err := Open(t.Context(), display, Options{}); err == nil {
			t.Errorf("display %q was opened", display)
		}
	}
}

func TestOpenWithXauthority(t *testing.T) {
	s := x11test.Start(t, testScreen)
	file := filepath.Join(t.TempDir(), "Xauthority")
	if _, err := Open(t.Context(), s.Display, Options{Xauthority: file}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with a file that is not there: %v", err)
	}
	entry := authEntry("guest", strings.TrimPrefix(s.Display, ":"), "MIT-MAGIC-COOKIE-1", "0123456789abcdef")
	if err := os.WriteFile(file, entry, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), s.Display, Options{Xauthority: file})
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// A server that takes connections and says nothing must not hold Open.
func TestOpenOfASilentServer(t *testing.T) {
	l, err := net.Listen("unix", "/tmp/.X11-unix/X61234")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := Open(ctx, ":61234", Options{}); err == nil {
		t.Error("a silent server was opened")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v, want 50 ms", took)
	}
}

func TestCloseTwice(t *testing.T) {
	d, _ := startDisplay(t)
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-d.Done():
	default:
		t.Error("Done is open after Close")
	}
	if err := d.Err(); err != nil {
		t.Errorf("Err after Close is %v, want nil", err)
	}
	err := d.Click(t.Context(), desktop.Click{Button: 1, Count: 1})
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeUnavailable {
		t.Errorf("click after Close: got error %v, want unavailable", err)
	}
}

func TestServerThatDies(t *testing.T) {
	d, s := startDisplay(t)
	if d.Err() != nil {
		t.Errorf("Err of a living connection is %v", d.Err())
	}
	holding := make(chan error, 1)
	go func() {
		holding <- d.HoldKey(t.Context(), desktop.HoldKey{Keys: "a", DurationMS: 60_000})
	}()
	settling := make(chan error, 1)
	go func() {
		_, err := d.Settle(t.Context(), SettleOptions{Quiet: time.Minute, Limit: time.Minute})
		settling <- err
	}()
	// Both are under way when the pointer can be asked for.
	if _, err := d.Pointer(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	<-d.Done()
	if d.Err() == nil {
		t.Error("Err is nil after the server died")
	}
	var e *desktop.Error
	if err := <-holding; !errors.As(err, &e) || (e.Code != desktop.CodeUnknown && e.Code != desktop.CodeUnavailable) {
		t.Errorf("the hold ended with %v, want unknown", err)
	}
	if err := <-settling; !errors.As(err, &e) || e.Code != desktop.CodeUnavailable {
		t.Errorf("the settle ended with %v, want unavailable", err)
	}
	if _, _, err := d.Capture(t.Context(), nil); !errors.As(err, &e) || e.Code != desktop.CodeUnavailable {
		t.Errorf("a capture gives %v, want unavailable", err)
	}
	if _, err := d.Pointer(t.Context()); !errors.As(err, &e) || e.Code != desktop.CodeUnavailable {
		t.Errorf("the pointer gives %v, want unavailable", err)
	}
}

// A server that hangs must not hold a call longer than its context, nor Close.
func TestServerThatHangs(t *testing.T) {
	d, s := startDisplay(t)
	var r receiver
	r.capture(t, d)
	s.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, _, err := d.Capture(ctx, nil); err == nil {
		t.Error("a capture succeeded")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the capture took %v, want 50 ms", took)
	}
	start = time.Now()
	d.Close()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("Close took %v, want a second", took)
	}
}
