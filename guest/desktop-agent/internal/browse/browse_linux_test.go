package browse

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newBrowser is a Browser on a display of its own, for which the program
// x-www-browser is a script.
func newBrowser(t *testing.T, script string) *Browser {
	t.Helper()
	x := x11test.Start(t, desktop.Size{Width: 320, Height: 200})
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "x-www-browser"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("DISPLAY", x.Display)
	b := &Browser{Display: x.Display, LogDir: t.TempDir()}
	t.Cleanup(b.Close)
	return b
}

const address = "https://example.com/?a=1&b=$(touch x)"

func TestOpenReturnsWithTheFirstWindow(t *testing.T) {
	b := newBrowser(t, "exec xterm -e sleep 600")
	if notice, err := b.Open(t.Context(), address); notice != "" || err != nil {
		t.Errorf("Open: %q, %v", notice, err)
	}
	if len(b.live) != 1 {
		t.Errorf("%d browsers run, want the one that was opened", len(b.live))
	}
}

func TestOpenReturnsWhenARunningBrowserTookTheAddress(t *testing.T) {
	got := filepath.Join(t.TempDir(), "argument")
	b := newBrowser(t, `printf '%s\n' "$#" "$@" > `+got)
	if _, err := b.Open(t.Context(), address); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(got); err != nil || string(text) != "1\n"+address+"\n" {
		t.Errorf("the browser was given %q, %v", text, err)
	}
}

func TestOpenTellsWhyABrowserFailed(t *testing.T) {
	b := newBrowser(t, "echo cannot open display >&2; exit 3")
	_, err := b.Open(t.Context(), address)
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeInternal || !strings.Contains(e.Message, "cannot open display") {
		t.Errorf("Open: %v", err)
	}
}

func TestOpenIsCancelled(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "started")
	b := newBrowser(t, "echo > "+fifo+"; exec sleep 600")
	ctx, cancel := context.WithCancel(t.Context())
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		os.ReadFile(fifo)
		cancel()
	}()
	_, err := b.Open(ctx, address)
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeCancelled {
		t.Errorf("Open: %v", err)
	}
	<-done
}

func TestOpenRefusesOptions(t *testing.T) {
	_, err := new(Browser).Open(t.Context(), "--gpu-launcher=reboot")
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeInvalid {
		t.Errorf("Open: %v", err)
	}
}
