package rootfs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestToolOutput(t *testing.T) {
	var out strings.Builder
	var lines []string
	sh := tool{
		name: "sh", args: []string{"-c", `cat; printf 'one\rtwo\n\nthree\377\n' >&2`},
		stdin: strings.NewReader("data"), stdout: &out, onLine: func(s string) { lines = append(lines, s) },
	}
	if err := sh.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two", "three\uFFFD"}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if out.String() != "data" {
		t.Errorf("stdout is %q", out.String())
	}
}

func TestToolErrorShowsTheLastLines(t *testing.T) {
	sh := tool{name: "sh", args: []string{"-c", "seq 100; echo no such mirror; exit 25"}}
	err := sh.run(t.Context())
	var te *ToolError
	if !errors.As(err, &te) {
		t.Fatalf("run: %v, want a ToolError", err)
	}
	if len(te.Tail) != tailLines || !strings.HasSuffix(err.Error(), "\n  100\n  no such mirror") || !strings.Contains(err.Error(), "exit status 25") {
		t.Errorf("error is %q", err)
	}
	if err := (&tool{name: "no-such-program"}).run(t.Context()); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("run of nothing: %v", err)
	}
}

func TestLineWriterIsBounded(t *testing.T) {
	w := &lineWriter{}
	for range 1000 {
		if _, err := w.Write(make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.part) > maxLineSize {
		t.Errorf("keeps %d bytes of a line without an end", len(w.part))
	}
}

// family starts a shell with a child and a grandchild that live for ever. Each
// holds the write end of a pipe: its end of file says that all are gone.
const family = `(sh -c 'echo up; exec sleep 1000' & exec sleep 1000) & wait`

func TestCancelKillsTheWholeFamily(t *testing.T) {
	pr, pw := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	sh := tool{name: "sh", args: []string{"-c", family}, stdout: pw}
	go func() { done <- sh.run(ctx) }()
	if line, err := bufio.NewReader(pr).ReadString('\n'); line != "up\n" {
		t.Fatal(line, err)
	}
	cancel()
	// run returns when no process holds its output any more.
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("run: %v, want context.Canceled", err)
	}
}

// TestDeathKillsTheWholeFamily kills a process that runs a tool.
func TestDeathKillsTheWholeFamily(t *testing.T) {
	if os.Getenv("VMETTE_TEST_PARENT") != "" {
		sh := tool{name: "sh", args: []string{"-c", family}, stdout: os.Stdout}
		t.Fatal(sh.run(t.Context()))
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(exe, "-test.run=^"+t.Name()+"$")
	parent.Env = append(os.Environ(), "VMETTE_TEST_PARENT=1")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	parent.Stdout = w
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out := bufio.NewReader(r)
	if line, err := out.ReadString('\n'); line != "up\n" {
		t.Fatal(line, err)
	}
	if err := parent.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, out); err != nil { // until all have died
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("the parent ended by itself")
	}
}
