package sandbox_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// keeping is a change for manager that has sandboxes outlive it.
func keeping(c *sandbox.ManagerConfig) { c.Keep = true }

// kept returns the directories of sandboxes that wait for a server.
func kept(t *testing.T, state string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(state, "kept-*"))
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// createNoting creates a sandbox of alice that remembers a note.
func createNoting(t *testing.T, m *sandbox.Manager, cfg sandbox.Config, note string) (id string) {
	t.Helper()
	l, err := m.Create(t.Context(), "alice", cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	says(t, l, "note "+note)
	return l.Info().ID
}

// leaveOne has a server leave a sandbox that remembers "kept".
func leaveOne(t *testing.T, state string, cfg sandbox.Config) (id string) {
	t.Helper()
	m, _ := manager(t, state, keeping)
	id = createNoting(t, m, cfg, "kept")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSandboxesOutliveTheirServer(t *testing.T) {
	state, cfg := t.TempDir(), bootable(t)
	m, b := manager(t, state, keeping)
	running, asleep := createNoting(t, m, cfg, "running"), createNoting(t, m, cfg, "asleep")
	if _, err := m.Checkpoint(t.Context(), "alice", running, sandbox.CheckpointOptions{Name: "half"}); err != nil {
		t.Fatal(err)
	}
	if err := m.Suspend(t.Context(), "alice", asleep); err != nil {
		t.Fatal(err)
	}
	l := acquire(t, m, running)
	l.SetKey("mine")
	l.Release()
	before := m.List("alice")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if n, dirs := b.Running(), kept(t, state); n != 0 || len(dirs) != 2 {
		t.Fatalf("%d machines run, and %v is left; want two", n, dirs)
	}

	m, b = manager(t, state, keeping)
	if len(kept(t, state)) != 0 || b.Running() != 0 {
		t.Errorf("%v is still there, and %d machines run", kept(t, state), b.Running())
	}
	for i, now := range m.List("alice") {
		was := before[i]
		if now.ID != was.ID || !now.Created.Equal(was.Created) || now.Size != was.Size || now.Isolation != was.Isolation || now.Key != was.Key || (now.Key == "mine") != (now.ID == running) || !now.TakenBack || was.TakenBack {
			t.Errorf("it was %+v and is %+v", was, now)
		}
	}
	if list := m.List("bob"); len(list) > 0 {
		t.Errorf("somebody else has %+v", list)
	}
	if _, err := m.Acquire(t.Context(), "bob", running); !errors.Is(err, sandbox.ErrNoDesktop) {
		t.Errorf("Acquire by somebody else: %v, want ErrNoDesktop", err)
	}

	for id, note := range map[string]string{running: "running", asleep: "asleep"} {
		l := acquire(t, m, id)
		res, err := l.Do(t.Context(), desktop.Exec{Command: "note"}, desktop.Observe{})
		if err != nil || string(res.Stdout) != note {
			t.Errorf("it remembers %q, %v; want %q", res.Stdout, err, note)
		}
		told := strings.Join(res.Notices, " ")
		if !strings.Contains(told, "restarted") || strings.Contains(told, "1 (half)") != (id == running) {
			t.Errorf("the first response tells %q", told)
		}
		says(t, l, "note") // nothing more is told
		l.Release()
	}
	_, err := m.Rollback(t.Context(), "alice", running, "half", nil)
	if !errors.Is(err, sandbox.ErrNoCheckpoint) || !strings.Contains(err.Error(), "restarted") {
		t.Errorf("Rollback to a checkpoint of before: %v, want ErrNoCheckpoint and why", err)
	}
	if c, err := m.Checkpoint(t.Context(), "alice", running, sandbox.CheckpointOptions{}); err != nil || c.ID != "2" {
		t.Errorf("the next checkpoint: %+v, %v; want that its id is new", c, err)
	}
	if err := m.End(t.Context(), "alice", asleep); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if dirs := kept(t, state); len(dirs) != 1 {
		t.Errorf("%v is left; want what was not ended", dirs)
	}
}

func TestSandboxesAreTakenBackOnce(t *testing.T) {
	state := t.TempDir()
	id := leaveOne(t, state, bootable(t))
	ended, _ := manager(t, state, nil)
	if list := ended.List("alice"); len(list) > 0 || len(kept(t, state)) != 1 {
		t.Errorf("a server that keeps nothing has %v, and left %v", list, kept(t, state))
	}
	one, _ := manager(t, state, keeping)
	two, _ := manager(t, state, keeping)
	if a, b := one.List("alice"), two.List("alice"); len(a) != 1 || a[0].ID != id || len(b) > 0 {
		t.Errorf("one server has %v, another %v", a, b)
	}
}

func TestSandboxThatNobodyTakesBackIsRemoved(t *testing.T) {
	state := t.TempDir()
	leaveOne(t, state, bootable(t))
	record := filepath.Join(kept(t, state)[0], "sandbox.json")
	longAgo := time.Now().Add(-8 * 24 * time.Hour)
	if err := os.Chtimes(record, longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
	manager(t, state, nil)
	if dirs := kept(t, state); len(dirs) > 0 {
		t.Errorf("%v is still there", dirs)
	}
}

// What cannot be taken back is dropped with a line in the log, and keeps no server
// from starting.
func TestWhatCannotBeTakenBackIsDropped(t *testing.T) {
	edit := func(change func([]byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, "sandbox.json")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, change(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	type record = map[string]any
	rewrite := func(change func(record)) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, "sandbox.json")
			var r record
			if err := sandbox.ReadRecord(path, &r); err != nil {
				t.Fatal(err)
			}
			change(r)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := sandbox.WriteRecord(path, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		damage func(t *testing.T, dir string)
		says   string
	}{
		"truncated":  {edit(func(b []byte) []byte { return b[:len(b)/2] }), "damaged"},
		"empty":      {edit(func([]byte) []byte { return nil }), "damaged"},
		"changed":    {edit(func(b []byte) []byte { b[20] ^= 1; return b }), "damaged"},
		"newer":      {rewrite(func(r record) { r["version"] = 99 }), "version 99"},
		"of nobody":  {rewrite(func(r record) { r["owner"] = "" }), "not complete"},
		"no handle":  {rewrite(func(r record) { r["desktop_id"] = "../../../../../../../../../../x" }), "no handle"},
		"no machine": {rewrite(func(r record) { r["config"] = record{} }), "config"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			id := leaveOne(t, state, bootable(t))
			test.damage(t, kept(t, state)[0])
			var log bytes.Buffer
			m, _ := manager(t, state, func(c *sandbox.ManagerConfig) {
				c.Keep, c.Logger = true, slog.New(slog.NewTextHandler(&log, nil))
			})
			if list := m.List("alice"); len(list) > 0 {
				t.Errorf("it was taken back: %+v", list)
			}
			if _, err := m.Acquire(t.Context(), "alice", id); !errors.Is(err, sandbox.ErrNoDesktop) {
				t.Errorf("Acquire: %v, want ErrNoDesktop", err)
			}
			if left := append(kept(t, state), suspended(t, state)...); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
			if !strings.Contains(log.String(), "dropped") || !strings.Contains(log.String(), test.says) {
				t.Errorf("the log says %s", log.String())
			}
		})
	}
}

// A sandbox that was taken back and cannot go on ends, and says why.
func TestWhatCannotGoOnEnds(t *testing.T) {
	tests := map[string]struct {
		damage func(t *testing.T, dir string, cfg sandbox.Config)
		says   string
	}{
		"damaged": {func(t *testing.T, dir string, _ sandbox.Config) {
			put(t, filepath.Join(dir, "machine", "state.json"), "{}")
		}, "damaged"},
		"torn": {func(t *testing.T, dir string, _ sandbox.Config) {
			remove(t, filepath.Join(dir, "machine", "state.json"))
		}, "no such file"},
		"another image": {func(t *testing.T, _ string, cfg sandbox.Config) { put(t, cfg.Root.Path, "something else") }, "another one now"},
		"no image":      {func(t *testing.T, _ string, cfg sandbox.Config) { remove(t, cfg.Root.Path) }, "image that it runs on is gone"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			state, cfg := t.TempDir(), bootable(t)
			id := leaveOne(t, state, cfg)
			test.damage(t, kept(t, state)[0], cfg)
			m, b := manager(t, state, keeping)
			for range 2 {
				_, err := m.Acquire(t.Context(), "alice", id)
				if !errors.Is(err, sandbox.ErrNoDesktop) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "create a new one") {
					t.Fatalf("Acquire: %v, want ErrNoDesktop and why", err)
				}
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if left := kept(t, state); len(left) > 0 || b.Running() > 0 {
				t.Errorf("%v is left, %d machines run", left, b.Running())
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// Where not all can outlive the server, those do that were used last; and so where
// the next server takes fewer.
func TestThoseUsedLastOutliveTheirServer(t *testing.T) {
	state, cfg := t.TempDir(), bootable(t)
	three := func(c *sandbox.ManagerConfig) { c.Keep, c.Capacity, c.Suspended = true, 3, 2 }
	m, _ := manager(t, state, three)
	var ids []string
	for _, note := range []string{"one", "two", "three"} {
		ids = append(ids, createNoting(t, m, cfg, note))
	}
	if err := m.Suspend(t.Context(), "alice", ids[0]); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[1:] {
		acquire(t, m, id).Release()
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m, _ = manager(t, state, three)
	var got []string
	for _, info := range m.List("alice") {
		got = append(got, info.ID)
	}
	if !slices.Equal(got, ids[1:]) {
		t.Errorf("there are %q of %q, want the last two", got, ids)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m, _ = manager(t, state, func(c *sandbox.ManagerConfig) { c.Keep, c.Suspended = true, 1 })
	if list := m.List("alice"); len(list) != 1 || list[0].ID != ids[2] {
		t.Errorf("there are %v, want the last one", list)
	}
	if _, err := m.Acquire(t.Context(), "alice", ids[1]); !errors.Is(err, sandbox.ErrNoDesktop) || !strings.Contains(err.Error(), "as many as may be") {
		t.Errorf("Acquire of one that was dropped: %v, want ErrNoDesktop and why", err)
	}
	if left := kept(t, state); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
