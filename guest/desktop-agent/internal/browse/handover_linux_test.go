package browse

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

// silence is the answer of a browser that takes what it is told and hangs.
const silence = "silence"

// runningBrowser puts the traces of a running Chromium into home. It answers with
// answer, and sends what it was told to the channel.
func runningBrowser(t *testing.T, home, answer string) <-chan string {
	t.Helper()
	dir, profile := t.TempDir(), filepath.Join(home, ".config/chromium")
	if err := os.MkdirAll(profile, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "SingletonSocket")
	for name, target := range map[string]string{
		filepath.Join(profile, "SingletonSocket"): socket,
		filepath.Join(profile, "SingletonCookie"): "4711",
		filepath.Join(dir, "SingletonCookie"):     "4711",
	} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	hung, hang := io.Pipe()
	told := make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		message, _ := io.ReadAll(conn)
		told <- string(message)
		if answer == silence {
			io.Copy(conn, hung) // until the end of the test
			return
		}
		io.WriteString(conn, answer)
	}()
	t.Cleanup(func() {
		l.Close()
		hang.Close()
		<-done
	})
	return told
}

func TestHandOverTellsTheRunningBrowser(t *testing.T) {
	home := t.TempDir()
	told := runningBrowser(t, home, "ACK")
	if taken, err := handOver(t.Context(), handOverLimit, "/usr/bin/chromium", home, "http://example.org/"); !taken || err != nil {
		t.Errorf("it was not taken: %v", err)
	}
	if got, want := <-told, "START\x00"+home+"\x00/usr/bin/chromium\x00http://example.org/"; got != want {
		t.Errorf("the browser was told %q, want %q", got, want)
	}
}

func TestHandOverIsRefused(t *testing.T) {
	t.Run("by a browser that ends", func(t *testing.T) {
		home := t.TempDir()
		runningBrowser(t, home, "SHUTDOWN")
		if taken, err := handOver(t.Context(), handOverLimit, "/usr/bin/chromium", home, "http://example.org/"); taken || err != nil {
			t.Errorf("taken: %v, %v, want that another way may be tried", taken, err)
		}
	})
	t.Run("by another browser", func(t *testing.T) {
		home := t.TempDir()
		runningBrowser(t, home, "ACK")
		if taken, err := handOver(t.Context(), handOverLimit, "/usr/bin/firefox", home, "http://example.org/"); taken || err != nil {
			t.Errorf("taken: %v, %v, want that another way may be tried", taken, err)
		}
	})
	t.Run("when the cookie is another", func(t *testing.T) {
		home := t.TempDir()
		runningBrowser(t, home, "ACK")
		cookie := filepath.Join(home, ".config/chromium/SingletonCookie")
		if err := os.Remove(cookie); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("4712", cookie); err != nil {
			t.Fatal(err)
		}
		if taken, err := handOver(t.Context(), handOverLimit, "/usr/bin/chromium", home, "http://example.org/"); taken || err != nil {
			t.Errorf("taken: %v, %v, want that another way may be tried", taken, err)
		}
	})
	t.Run("without a browser", func(t *testing.T) {
		if taken, err := handOver(t.Context(), handOverLimit, "/usr/bin/chromium", t.TempDir(), "http://example.org/"); taken || err != nil {
			t.Errorf("taken: %v, %v, want that another way may be tried", taken, err)
		}
	})
}

// An address that a browser was told must not be opened a second time.
func TestHandOverWithoutAnAnswerIsUnknown(t *testing.T) {
	want := func(t *testing.T, err error, code desktop.Code) {
		t.Helper()
		var e *desktop.Error
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("error %v, want the code %s", err, code)
		}
	}
	for name, answer := range map[string]string{"that hangs": silence, "that dies": "", "that dies while it answers": "AC"} {
		t.Run("of a browser "+name, func(t *testing.T) {
			home := t.TempDir()
			runningBrowser(t, home, answer)
			taken, err := handOver(t.Context(), 100*time.Millisecond, "/usr/bin/chromium", home, "http://example.org/")
			if taken {
				t.Error("it was taken")
			}
			want(t, err, desktop.CodeUnknown)
		})
	}
	t.Run("before the caller went away", func(t *testing.T) {
		home := t.TempDir()
		told := runningBrowser(t, home, silence)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-told
			cancel()
		}()
		_, err := handOver(ctx, time.Minute, "/usr/bin/chromium", home, "http://example.org/")
		want(t, err, desktop.CodeCancelled)
	})
	t.Run("to the caller of Open", func(t *testing.T) {
		home, bin := t.TempDir(), t.TempDir()
		runningBrowser(t, home, "")
		started := filepath.Join(home, "started")
		if err := os.WriteFile(filepath.Join(bin, "chromium"), []byte("#!/bin/sh\n: >"+started+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		b := &Browser{Display: x11test.Start(t, desktop.Size{Width: 320, Height: 200}).Display, LogDir: t.TempDir()}
		t.Setenv("PATH", bin)
		t.Setenv("HOME", home)
		_, err := b.Open(t.Context(), "http://example.org/")
		b.Close()
		want(t, err, desktop.CodeUnknown)
		if _, err := os.Stat(started); err == nil {
			t.Error("another browser was started")
		}
	})
}
