package sandboxtest

import (
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// testCheckpoints checks that a sandbox can be rolled back, forked and suspended
// with all that is in it, as the clients of a manager do it.
func testCheckpoints(t *testing.T, b sandbox.Snapshotter, cfg sandbox.Config) {
	m, err := sandbox.NewManager(sandbox.ManagerConfig{Backend: b, StateDir: t.TempDir(), Capacity: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	const owner = "owner"
	l, err := m.Create(t.Context(), owner, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	id := l.Info().ID

	// What is being typed is in a pipe, a process and on the screen.
	shell(t, l.Session(), "mkfifo ~/keys; (cat ~/keys >~/typed) >/dev/null 2>&1 & echo half >~/draft")
	begun := time.Now()
	c, err := m.Checkpoint(t.Context(), owner, id, sandbox.CheckpointOptions{Name: "half"})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("checkpoint: %v, of which it stood still for %v; %d MiB", time.Since(begun), c.Standstill, c.Bytes>>20)
	const finish = "echo whole >>~/draft; echo keys >~/keys; while pgrep -x cat >/dev/null; do :; done; cat ~/draft ~/typed"
	if got := shell(t, l.Session(), finish); got != "half\nwhole\nkeys" {
		t.Errorf("after the checkpoint: %q", got)
	}

	begun = time.Now()
	if _, err := m.Rollback(t.Context(), owner, id, "half", nil); err != nil {
		t.Fatal(err)
	}
	do(t, l.Session(), desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled})
	t.Logf("rolled back in %v, to the first settled screenshot", time.Since(begun))
	if got := shell(t, l.Session(), "cat ~/draft; pgrep -x cat >/dev/null && echo waits"); got != "half\nwaits" {
		t.Errorf("rolled back: %q", got)
	}

	begun = time.Now()
	fork, err := m.Fork(t.Context(), owner, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	do(t, fork.Session(), desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled})
	t.Logf("forked in %v, to the first settled screenshot", time.Since(begun))
	if got := shell(t, fork.Session(), finish); got != "half\nwhole\nkeys" {
		t.Errorf("in the fork: %q", got)
	}
	if got := shell(t, l.Session(), "cat ~/draft; pgrep -x cat >/dev/null && echo waits"); got != "half\nwaits" {
		t.Errorf("in what was forked: %q", got)
	}
	fork.Release()
	begun = time.Now()
	if err := m.Suspend(t.Context(), owner, fork.Info().ID); err != nil {
		t.Fatal(err)
	}
	t.Logf("suspended in %v", time.Since(begun))
	begun = time.Now()
	fork, err = m.Acquire(t.Context(), owner, fork.Info().ID)
	if err != nil {
		t.Fatal(err)
	}
	defer fork.Release()
	do(t, fork.Session(), desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled})
	t.Logf("resumed in %v, to the first settled screenshot", time.Since(begun))
	if got := shell(t, fork.Session(), "cat ~/draft ~/typed"); got != "half\nwhole\nkeys" {
		t.Errorf("in the fork that was suspended: %q", got)
	}
	if a, b := shell(t, l.Session(), "hostname"), shell(t, fork.Session(), "hostname"); a == b || !strings.HasPrefix(a, "desktop-") {
		t.Errorf("they are called %s and %s", a, b)
	}
}
