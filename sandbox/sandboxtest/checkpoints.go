package sandboxtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
)

// testCheckpoints checks that a sandbox which was kept warm can be rolled back, forked
// and suspended with all that is in it and on its scratch disk, as the clients of a
// manager do it.
func testCheckpoints(t *testing.T, b sandbox.Snapshotter, cfg sandbox.Config) {
	cfg.ScratchMiB = 1024
	templates, err := sandbox.OpenTemplates(sandbox.TemplatesConfig{Dir: t.TempDir(), Backend: b, NoBrowser: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := templates.Close(); err != nil {
			t.Error(err)
		}
	}()
	err = templates.Build(t.Context(), cfg, sandbox.BuildOptions{Dir: t.TempDir()})
	if errors.Is(err, sandbox.ErrUnsupported) { // not every backend has scratch disks
		cfg.ScratchMiB = 0
	} else if err != nil {
		t.Fatal(err)
	}
	m, err := sandbox.NewManager(sandbox.ManagerConfig{Backend: b, StateDir: t.TempDir(), Templates: templates, Warm: 1, Capacity: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	begun := time.Now()
	m.Preload(cfg)
	if err := m.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("template made, and a sandbox warm, in %v", time.Since(begun))
	const owner = "owner"
	var steps []string
	begun = time.Now()
	l, err := m.Create(t.Context(), owner, cfg, func(step string) { steps = append(steps, step) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	took := time.Since(begun)
	do(t, l.Session(), desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled})
	t.Logf("created in %v, %v to the first settled screenshot", took, time.Since(begun))
	if len(steps) != 1 || steps[0] != "take warm desktop" {
		t.Errorf("a sandbox was warm, and the steps to create one were %q", steps)
	}
	id := l.Info().ID

	// What is read of the disk is what is on it.
	const read = "sudo sh -c 'sync; echo 3 >/proc/sys/vm/drop_caches'; sha256sum -c ~/sum"
	shell(t, l.Session(), "head -c 30M /dev/urandom >~/big; sha256sum ~/big >~/sum; sync")

	// A window that sees all that is pressed and released.
	shell(t, l.Session(), "/run/vmette/desktop-agent probe >~/seen 2>&1 & until grep -q ready ~/seen; do :; done")
	hold(t, l.Session())

	// What is being typed is in a pipe, a process and on the screen.
	shell(t, l.Session(), "mkfifo ~/keys; (cat ~/keys >~/typed) >/dev/null 2>&1 & echo half >~/draft")
	begun = time.Now()
	c, err := m.Checkpoint(t.Context(), owner, id, sandbox.CheckpointOptions{Name: "half"})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("checkpoint: %v, of which it stood still for %v; %d MiB", time.Since(begun), c.Standstill, c.Bytes>>20)
	const finish = "echo whole >>~/draft; echo keys >~/keys; while pgrep -x cat >/dev/null; do :; done; cat ~/draft ~/typed"
	if got := shell(t, l.Session(), finish); got != "half\nwhole\nkeys" {
		t.Errorf("after the checkpoint: %q", got)
	}
	released(t, l.Session(), 1)
	shell(t, l.Session(), "head -c 40M /dev/urandom >~/big; sync")

	begun = time.Now()
	if _, err := m.Rollback(t.Context(), owner, id, "half", nil); err != nil {
		t.Fatal(err)
	}
	do(t, l.Session(), desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled})
	t.Logf("rolled back in %v, to the first settled screenshot", time.Since(begun))
	if got := shell(t, l.Session(), "cat ~/draft; pgrep -x cat >/dev/null && echo waits"); got != "half\nwaits" {
		t.Errorf("rolled back: %q", got)
	}
	released(t, l.Session(), 1)
	if got := shell(t, l.Session(), read); !strings.HasSuffix(got, "big: OK") {
		t.Errorf("rolled back, of a file on the disk: %q", got)
	}

	hold(t, l.Session())
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
	released(t, fork.Session(), 2)
	released(t, l.Session(), 2)
	shell(t, l.Session(), "rm ~/big; sync")
	if got := shell(t, fork.Session(), read); !strings.HasSuffix(got, "big: OK") {
		t.Errorf("in the fork, of a file that is gone where it was forked: %q", got)
	}
	if got := shell(t, l.Session(), "cat ~/draft; pgrep -x cat >/dev/null && echo waits"); got != "half\nwaits" {
		t.Errorf("in what was forked: %q", got)
	}
	serveTLS(t, fork.Session())
	fork.Release()

	fillDisk(t)
	if err := m.Suspend(t.Context(), owner, fork.Info().ID); !errors.Is(err, sandbox.ErrDiskFull) {
		t.Errorf("suspend onto a full disk: %v, want ErrDiskFull", err)
	}
	durable.SetHook(nil)
	if got := shell(t, fork.Session(), "cat ~/draft ~/typed"); got != "half\nwhole\nkeys" {
		t.Errorf("in the fork that did not fit onto the disk: %q", got)
	}
	setClockBack(t, fork.Session()) // as a save has advanced it
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
	if got := shell(t, fork.Session(), read); !strings.HasSuffix(got, "big: OK") {
		t.Errorf("in the fork that was suspended, of a file on the disk: %q", got)
	}
	if got := dialTLS(t, fork.Session()); got != "verified" {
		t.Errorf("resumed from an hour ago, a client of TLS says %q", got)
	}
	if a, b := shell(t, l.Session(), "hostname"), shell(t, fork.Session(), "hostname"); a == b || !strings.HasPrefix(a, "desktop-") {
		t.Errorf("they are called %s and %s", a, b)
	}
}

// hold presses a key and a button and releases neither.
func hold(t *testing.T, s *sandbox.Session) {
	t.Helper()
	do(t, s, desktop.KeyDown{Keys: "shift"}, desktop.Observe{})
	do(t, s, desktop.ButtonDown{Button: desktop.Left}, desktop.Observe{})
}

// released returns when all has been released that hold has pressed so many times.
func released(t *testing.T, s *sandbox.Session, times int) {
	t.Helper()
	for _, what := range []string{"key", "button"} {
		shell(t, s, fmt.Sprintf("until [ $(grep -c %[1]s_release ~/seen) = %[2]d ]; do :; done; [ $(grep -c %[1]s_press ~/seen) = %[2]d ]", what, times))
	}
}

// fillDisk leaves no room on the disk for the last file of a suspended sandbox.
func fillDisk(t *testing.T) {
	t.Helper()
	durable.SetHook(func(op durable.Op, name string) error {
		if op == durable.OpWrite && filepath.Base(name) == "snapshot.json" {
			return &os.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
		}
		return nil
	})
	t.Cleanup(func() { durable.SetHook(nil) })
}
