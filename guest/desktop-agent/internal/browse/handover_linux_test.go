package browse

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

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
		io.WriteString(conn, answer)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return told
}

func TestHandOverTellsTheRunningBrowser(t *testing.T) {
	home := t.TempDir()
	told := runningBrowser(t, home, "ACK")
	if !handOver(t.Context(), "/usr/bin/chromium", home, "http://example.org/") {
		t.Error("it was not taken")
	}
	if got, want := <-told, "START\x00"+home+"\x00/usr/bin/chromium\x00http://example.org/"; got != want {
		t.Errorf("the browser was told %q, want %q", got, want)
	}
}

func TestHandOverIsRefused(t *testing.T) {
	t.Run("by a browser that ends", func(t *testing.T) {
		home := t.TempDir()
		runningBrowser(t, home, "SHUTDOWN")
		if handOver(t.Context(), "/usr/bin/chromium", home, "http://example.org/") {
			t.Error("it was taken")
		}
	})
	t.Run("by another browser", func(t *testing.T) {
		home := t.TempDir()
		runningBrowser(t, home, "ACK")
		if handOver(t.Context(), "/usr/bin/firefox", home, "http://example.org/") {
			t.Error("it was taken")
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
		if handOver(t.Context(), "/usr/bin/chromium", home, "http://example.org/") {
			t.Error("it was taken")
		}
	})
	t.Run("without a browser", func(t *testing.T) {
		if handOver(t.Context(), "/usr/bin/chromium", t.TempDir(), "http://example.org/") {
			t.Error("it was taken")
		}
	})
}
