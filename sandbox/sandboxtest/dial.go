package sandboxtest

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
)

// guestPort is that of a test's program in a guest.
const guestPort = 7000

// testDial has the host connect to a program in a guest, which comes with a share.
func testDial(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "echo"), "github.com/vmette/vmette-mcp/sandbox/sandboxtest/vsockecho")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Shares = []sandbox.ShareMount{{Tag: "bin", Path: dir, ReadOnly: true}}
	cfg.Exec.Args = []string{"/mnt/bin/echo"}
	cfg.GuestPort = guestPort
	listens := &ready{first: make(chan struct{})}
	s := startOneShot(t, b, cfg, sandbox.Stdio{Out: listens})
	awaitFirst(t, s, listens)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := s.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Errorf("the guest sent %q, %v", got, err)
	}
	conn.Close()
	if end := waitEnd(t, s); end.Reason != sandbox.EndExited || end.Code != 0 {
		t.Errorf("the command ended: %v", end)
	}
	if _, err := s.Dial(ctx); !errors.Is(err, sandbox.ErrStopped) {
		t.Errorf("Dial of a session that has ended: %v, want ErrStopped", err)
	}
}
