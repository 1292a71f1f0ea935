package sandboxtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// serveTLS has a program in the guest serve TLS with a certificate that is valid for
// an hour around now, and then sets the guest's clock an hour back: to its clients the
// certificate is not valid yet.
func serveTLS(t *testing.T, s *sandbox.Session) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "tlsguest")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "github.com/vmette/vmette-mcp/sandbox/sandboxtest/tlsguest")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build program for the guest: %v\n%s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	do(t, s, desktop.WriteFile{Path: "tlsguest", Mode: 0o755, Data: data}, desktop.Observe{})
	now := time.Now()
	shell(t, s, fmt.Sprintf("mkfifo ~/serving; ~/tlsguest serve %d %d >~/serving 2>&1 & read line <~/serving; test \"$line\" = serving",
		now.Add(-30*time.Minute).Unix(), now.Add(30*time.Minute).Unix()))
	if got := dialTLS(t, s); got != "verified" {
		t.Errorf("with the right clock a client says %q", got)
	}
	setClockBack(t, s)
}

// setClockBack sets the guest's clock an hour back.
func setClockBack(t *testing.T, s *sandbox.Session) {
	t.Helper()
	shell(t, s, "sudo date -s '-1 hour'")
	if got := dialTLS(t, s); !strings.Contains(got, "not yet valid") {
		t.Errorf("an hour ago a client says %q", got)
	}
}

// dialTLS returns what a client in the guest says of the server that serveTLS started.
func dialTLS(t *testing.T, s *sandbox.Session) string {
	t.Helper()
	return shell(t, s, "~/tlsguest dial")
}
