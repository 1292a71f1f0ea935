package session

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen makes the two sockets of an X server, in its order.
func listen(t *testing.T, path string) {
	t.Helper()
	for _, name := range []string{"@" + path, path} {
		l, err := net.Listen("unix", name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
}

func TestAwaitSocketFindsAServerThatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "X0")
	listen(t, path)
	if err := awaitSocket(t.Context(), path); err != nil {
		t.Error(err)
	}
}

func TestAwaitSocketIsWokenByTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "X0")
	// What a dead server left is no server.
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found := make(chan error)
	go func() { found <- awaitSocket(t.Context(), path) }()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	listen(t, path)
	if err := <-found; err != nil {
		t.Error(err)
	}
}

func TestAwaitSocketEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := awaitSocket(ctx, filepath.Join(t.TempDir(), "X0")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("awaitSocket: %v, want the end of its wait", err)
	}
}
