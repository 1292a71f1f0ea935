package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/rootfs"
)

// turns is how often a soak makes, uses and closes a desktop: a few times, or as
// often as VMETTE_SOAK_TURNS says.
func turns(t *testing.T) int {
	t.Helper()
	n := 8
	if s := os.Getenv("VMETTE_SOAK_TURNS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 {
			t.Fatalf("VMETTE_SOAK_TURNS is %q, not a number", s)
		}
	}
	return n
}

// TestIntegrationSoak makes, uses and closes desktops one after the other, and finds
// the server as it was: its open files, goroutines, processes and what it keeps on
// the disk; its memory nearly so. The server runs in this process, where all of that
// can be seen.
func TestIntegrationSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest, which -short leaves out")
	}
	const (
		warmUp    = 3        // turns after which all is there that is made once
		mayGrow   = 32 << 20 // bytes of memory
		reportAll = 25
	)
	n := turns(t)
	if err := templateBuild(t, rootfs.MinimalSpec).Run(); err != nil {
		t.Fatalf("%v: vmette-mcp rootfs build makes the image (make test does)", err)
	}
	state := t.TempDir()
	s := startInProcess(t, "serve", "--image", rootfs.MinimalSpec, "--state-dir", state)
	var before footprint
	var goroutines goleak.Option
	begun := time.Now()
	for i := range warmUp + n {
		if i == warmUp {
			goroutines = goleak.IgnoreCurrent()
			before = measure(t, state)
			begun = time.Now()
		}
		s.turn(i)
		if done := i + 1 - warmUp; done > 0 && (done%reportAll == 0 || done == n) {
			t.Logf("%d turns in %v: %v", done, time.Since(begun).Round(time.Second), measure(t, state))
		}
	}
	if err := goleak.Find(goroutines); err != nil {
		t.Error(err)
	}
	after := measure(t, state)
	t.Logf("before: %v", before)
	t.Logf("after:  %v", after)
	if after.fds != before.fds || after.processes != before.processes || after.files != before.files {
		t.Error("something is left of desktops that were closed")
	}
	if after.rss > before.rss+mayGrow {
		t.Errorf("the server has grown by %d MiB", (after.rss-before.rss)>>20)
	}
	if left := s.end(); left != exitDone {
		t.Errorf("the server ended with %d", left)
	}
}

// footprint is what a server takes.
type footprint struct {
	fds       int
	processes int
	files     int // in the state directory
	rss       int // bytes
}

func (f footprint) String() string {
	return fmt.Sprintf("%d open files, %d processes, %d files, %d MiB", f.fds, f.processes, f.files, f.rss>>20)
}

// measure tells what this process takes, once it has given back what it does not
// need.
func measure(t *testing.T, state string) footprint {
	t.Helper()
	debug.FreeOSMemory()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	children := descendants(t, os.Getpid())
	for _, c := range children {
		c.close()
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(state, func(string, os.DirEntry, error) error { files++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return footprint{len(fds), len(children), files, resident * os.Getpagesize()}
}

// inProcess is this program at work in this process, and its client.
type inProcess struct {
	t    *testing.T
	in   io.WriteCloser
	out  *bufio.Reader
	code chan int
	id   int
}

func startInProcess(t *testing.T, args ...string) *inProcess {
	t.Helper()
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	s := &inProcess{t: t, in: in, out: bufio.NewReader(out), code: make(chan int, 1)}
	go func() {
		code := run(t.Context(), args, stdin, stdout, t.Output())
		stdout.Close()
		s.code <- code
	}()
	t.Cleanup(func() { in.Close() })
	return s
}

// end ends the input and returns the exit code.
func (s *inProcess) end() int {
	s.in.Close()
	if rest, err := io.ReadAll(s.out); err != nil || len(rest) > 0 {
		s.t.Errorf("at the end the server said %q, %v", rest, err)
	}
	return <-s.code
}

// call calls a tool that is to succeed, and returns the desktop that it names.
func (s *inProcess) call(tool, args string) (desktop string) {
	s.t.Helper()
	s.id++
	if _, err := fmt.Fprintf(s.in, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":%s}}`+"\n", s.id, tool, args); err != nil {
		s.t.Fatal(err)
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	var answer struct {
		ID     int
		Error  any
		Result struct {
			IsError bool
			Content []struct{ Text string }

			StructuredContent struct {
				DesktopID string `json:"desktop_id"`
			}
		}
	}
	if err := json.Unmarshal(line, &answer); err != nil || answer.ID != s.id || answer.Error != nil || answer.Result.IsError {
		s.t.Fatalf("%s %s: %v, %s", tool, args, err, line[:min(len(line), 1000)])
	}
	return answer.Result.StructuredContent.DesktopID
}

// turn makes a desktop, uses it and closes it. Some are saved too, and some of those
// forked and suspended.
func (s *inProcess) turn(i int) {
	s.t.Helper()
	s.call("desktop_create", "{}")
	s.call("screenshot", "{}")
	s.call("left_click", `{"coordinate": [300, 300]}`)
	s.call("exec", `{"command": "echo `+strings.Repeat("x", 100)+`"}`)
	if i%4 == 0 {
		s.call("desktop_checkpoint", "{}")
		s.call("desktop_rollback", "{}")
	}
	if i%8 == 0 {
		fork := fmt.Sprintf(`{"desktop_id": %q}`, s.call("desktop_fork", "{}"))
		s.call("screenshot", fork)
		s.call("desktop_close", fork)
		s.call("desktop_suspend", "{}")
		s.call("screenshot", "{}")
	}
	s.call("desktop_close", "{}")
}
