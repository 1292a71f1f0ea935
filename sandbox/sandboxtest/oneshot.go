package sandboxtest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// ready keeps what is written, and tells when the first of it was.
type ready struct {
	text  bytes.Buffer
	first chan struct{}
}

// Write implements [io.Writer].
func (r *ready) Write(p []byte) (int, error) {
	if r.text.Len() == 0 && len(p) > 0 {
		defer close(r.first)
	}
	return r.text.Write(p)
}

// testOneShot runs commands in the place of a desktop.
func testOneShot(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	cfg.Workload = sandbox.WorkloadOneShot
	t.Run("Run", func(t *testing.T) {
		cfg := cfg
		cfg.Exec = sandbox.Exec{
			Args: sandbox.ShellCommand(`id -u; pwd; echo $GREETING; cat; sleep 1000 & echo err >&2; exit 42`),
			Env:  []string{"GREETING=good day"},
			Dir:  "/usr/bin",
			User: "1000",
		}
		out, err := sandbox.Run(t.Context(), b, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(out.Stdout); out.ExitCode != 42 || got != "1000\n/usr/bin\ngood day\n" || string(out.Stderr) != "err\n" {
			t.Errorf("exit code %d, stdout %q, stderr %q", out.ExitCode, got, out.Stderr)
		}
	})
	t.Run("Terminal", func(t *testing.T) {
		cfg := cfg
		cfg.Exec = sandbox.Exec{
			Args:     sandbox.ShellCommand(`trap 'stty size; exit 3' WINCH; stty size; while :; do sleep 0.1; done`),
			Terminal: &desktop.TerminalSize{Columns: 91, Rows: 17},
		}
		out := &ready{first: make(chan struct{})}
		s := startOneShot(t, b, cfg, sandbox.Stdio{Out: out})
		awaitFirst(t, s, out)
		if err := s.Resize(desktop.TerminalSize{Columns: 33, Rows: 44}); err != nil {
			t.Fatal(err)
		}
		if end := waitEnd(t, s); end.Reason != sandbox.EndExited || end.Code != 3 || out.text.String() != "17 91\r\n44 33\r\n" {
			t.Errorf("%v, output %q\nconsole:\n%s", end, out.text.String(), s.Console())
		}
	})
	t.Run("SignalAndInput", func(t *testing.T) {
		cfg := cfg
		cfg.Exec.Args = sandbox.ShellCommand(`trap 'exit 9' USR1; wc -c; while :; do sleep 0.1; done`)
		out := &ready{first: make(chan struct{})}
		const size = 3 << 20
		s := startOneShot(t, b, cfg, sandbox.Stdio{In: bytes.NewReader(make([]byte, size)), Out: out})
		awaitFirst(t, s, out)
		if err := s.Client().Signal("SIGUSR1"); err != nil {
			t.Fatal(err)
		}
		end := waitEnd(t, s)
		if got := strings.TrimSpace(out.text.String()); end.Code != 9 || got != strconv.Itoa(size) {
			t.Errorf("%v, %s bytes of input arrived; want exit code 9 and %d", end, got, size)
		}
	})
}

// testDisks has a guest write to one disk, read another that it may not write to,
// and write more to its root than it has memory.
func testDisks(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	dir := t.TempDir()
	written, read := filepath.Join(dir, "written"), filepath.Join(dir, "read")
	for _, file := range []string{written, read} {
		if err := os.WriteFile(file, append([]byte("from the host\n"), make([]byte, 1<<20)...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Disks = []sandbox.BlockDisk{{Path: written}, {Path: read, ReadOnly: true}}
	cfg.MemoryMiB, cfg.ScratchMiB = 256, 1024
	cfg.Exec.Args = sandbox.ShellCommand(`head -n 1 /dev/vdc
echo "from the guest" | dd of=/dev/vdc conv=fsync 2>/dev/null && echo "wrote what is read-only"
echo "from the guest" | dd of=/dev/vdb conv=fsync,notrunc 2>/dev/null || echo "cannot write"
dd if=/dev/zero of=/big bs=1M count=400 2>/dev/null || echo "cannot write to the root"`)
	out, err := sandbox.Run(t.Context(), b, cfg)
	if errors.Is(err, sandbox.ErrUnsupported) {
		cfg.ScratchMiB = 0
		cfg.MemoryMiB = 1024
		out, err = sandbox.Run(t.Context(), b, cfg)
	}
	if err != nil || out.ExitCode != 0 || string(out.Stdout) != "from the host\n" {
		t.Errorf("exit code %d, stdout %q, stderr %q, %v", out.ExitCode, out.Stdout, out.Stderr, err)
	}
	for file, want := range map[string]string{written: "from the guest\n", read: "from the host\n"} {
		got, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(got), want) {
			t.Errorf("%s begins with %.20q, %v; want %q", file, got, err, want)
		}
	}
}

func startOneShot(t *testing.T, b sandbox.Backend, cfg sandbox.Config, stdio sandbox.Stdio) *sandbox.Session {
	t.Helper()
	s, err := sandbox.Start(t.Context(), b, cfg, sandbox.StartOptions{Dir: t.TempDir(), Stdio: stdio})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// awaitFirst returns when the command has written something.
func awaitFirst(t *testing.T, s *sandbox.Session, out *ready) {
	t.Helper()
	select {
	case <-out.first:
	case <-s.Done():
		end, err := s.Wait(t.Context())
		t.Fatalf("ended before it wrote anything: %v, %v\nconsole:\n%s", end, err, s.Console())
	}
}
