package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// asVictim has this program do, as JSON says, what is to be killed in the middle.
const asVictim = "VMETTE_TEST_VICTIM"

// victim is a process that changes a disk step by step, and is killed before one of
// them.
type victim struct {
	Work   string         // a key of works
	Dir    string         // of the state, or of the templates
	Config sandbox.Config // of what is there
	ID     string         // of the sandbox of alice that is there; may be ""
	Kill   int            // before which step, from 1 on
	Torn   bool           // whether a file that is about to be synced loses its second half, as it may when the host dies
}

// works are what victims do. They say what they have done.
var works = map[string]func(context.Context, victim, func(string)) error{
	"build": func(ctx context.Context, v victim, say func(string)) error {
		ts, err := sandbox.OpenTemplates(sandbox.TemplatesConfig{Dir: v.Dir, Backend: new(sandboxtest.Backend)})
		if err != nil {
			return err
		}
		if err := ts.Build(ctx, v.Config, sandbox.BuildOptions{Dir: os.TempDir(), Again: true}); err != nil {
			return err
		}
		say("built")
		return ts.Remove(v.Config.Image)
	},
	"keep": func(ctx context.Context, v victim, say func(string)) error {
		m, err := sandbox.NewManager(sandbox.ManagerConfig{Backend: new(sandboxtest.Backend), StateDir: v.Dir, Capacity: 1, Keep: true})
		if err != nil {
			return err
		}
		for _, note := range []string{"two", "three"} {
			l, err := m.Acquire(ctx, "alice", v.ID)
			if err != nil {
				return err
			}
			if _, err := l.Do(ctx, desktop.Exec{Command: "note " + note}, desktop.Observe{}); err != nil {
				return err
			}
			say("noted " + note)
			l.Release()
			if note == "two" {
				if err := m.Suspend(ctx, "alice", v.ID); err != nil {
					return err
				}
				say("saved two")
			}
		}
		if err := m.Close(); err != nil {
			return err
		}
		say("saved three")
		return nil
	},
}

// beKilled does the work of a victim.
func beKilled() error {
	var v victim
	if err := json.Unmarshal([]byte(os.Getenv(asVictim)), &v); err != nil {
		return err
	}
	step := 0
	durable.SetHook(func(op durable.Op, name string) error {
		if step++; step < v.Kill {
			return nil
		}
		fmt.Println("killed before:", op, filepath.Base(name))
		if info, err := os.Stat(name); v.Torn && op == durable.OpSync && err == nil {
			os.Truncate(name, info.Size()/2)
		}
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		self.Kill()
		select {} // until it has come
	})
	return works[v.Work](context.Background(), v, func(s string) { fmt.Println(s) })
}

// run has the victim work, and returns what it said, and whether it was killed.
func (v victim) run(t *testing.T) (said []string, killed bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asVictim+"="+string(spec), "TMPDIR="+t.TempDir())
	out, err := cmd.Output()
	said = strings.Split(strings.TrimSpace(string(out)), "\n")
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		killed = exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	}
	if err != nil && !killed {
		t.Fatalf("%v: %s", err, out)
	}
	return said, killed
}

// eachKill has victims work that are killed before one step after the other, until
// one gets through. after is called for each.
func eachKill(t *testing.T, prepare func(t *testing.T) victim, after func(t *testing.T, v victim, said []string)) {
	t.Helper()
	do := func(kill int, torn bool) (end string, killed bool) {
		v := prepare(t)
		v.Kill, v.Torn = kill, torn
		said, killed := v.run(t)
		end = said[len(said)-1]
		t.Run(fmt.Sprintf("%d,torn=%v,%s", kill, torn, end), func(t *testing.T) { after(t, v, said) })
		return end, killed
	}
	for kill := 1; ; kill++ {
		end, killed := do(kill, false)
		if !killed {
			if kill < 20 {
				t.Errorf("there were only %d steps", kill-1)
			}
			return
		}
		if strings.HasPrefix(end, "killed before: sync ") && !strings.HasPrefix(end, "killed before: sync directory") {
			do(kill, true)
		}
	}
}

// TestKilledSuspend kills servers while they take a sandbox back, suspend it, let it
// go on, and leave it. The next server has it as it was left, or not at all if it was
// used since.
func TestKilledSuspend(t *testing.T) {
	cfg := bootable(t)
	prepare := func(t *testing.T) victim {
		state := t.TempDir()
		return victim{Work: "keep", Dir: state, Config: cfg, ID: leaveOne(t, state, cfg)}
	}
	seen := make(map[string]bool)
	eachKill(t, prepare, func(t *testing.T, v victim, said []string) {
		var log bytes.Buffer
		m, b := manager(t, v.Dir, func(c *sandbox.ManagerConfig) {
			c.Keep, c.Logger = true, slog.New(slog.NewTextHandler(&log, nil))
		})
		got := "gone"
		l, err := m.Acquire(t.Context(), "alice", v.ID)
		if err == nil {
			res, err := l.Do(t.Context(), desktop.Exec{Command: "note"}, desktop.Observe{})
			if err != nil {
				t.Fatal(err)
			}
			got = string(res.Stdout)
			l.Release()
			err = m.End(t.Context(), "alice", v.ID)
			if err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, sandbox.ErrNoDesktop) {
			t.Errorf("Acquire: %v", err)
		}
		seen[got] = true
		// In use it may be gone; but never is it as it was before.
		may := map[string][]string{
			"":            {"kept", "gone"},
			"noted two":   {"gone", "two"},
			"saved two":   {"two", "gone"},
			"noted three": {"gone", "three"},
			"saved three": {"three"},
		}
		done := slices.DeleteFunc(slices.Clone(said), func(s string) bool { return strings.HasPrefix(s, "killed") })
		last := ""
		if len(done) > 0 {
			last = done[len(done)-1]
		}
		if !slices.Contains(may[last], got) {
			t.Errorf("killed after %q it is %q, want one of %q", last, got, may[last])
		}
		// Until it runs again there is no reason to lose it.
		if strings.HasPrefix(last, "saved") && got == "gone" && !strings.HasPrefix(said[len(said)-1], "killed before: sync directory") {
			t.Errorf("it is gone, although it was only about to be %q", said[len(said)-1])
		}
		if strings.Contains(log.String(), "level=WARN") || strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("the next server complains: %s", log.String())
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if left := append(kept(t, v.Dir), suspended(t, v.Dir)...); len(left) > 0 || b.Running() > 0 {
			t.Errorf("%v is left, %d machines run", left, b.Running())
		}
	})
	if want := []string{"kept", "two", "three", "gone"}; len(seen) != len(want) {
		t.Errorf("seen were %v, want all of %q", seen, want)
	}
}

// TestKilledBuild kills builds and removals of templates. The next server has the old
// one, the new one or none.
func TestKilledBuild(t *testing.T) {
	cfg, b := bootable(t), new(sandboxtest.Backend)
	prepare := func(t *testing.T) victim {
		dir := t.TempDir()
		buildTemplate(t, openTemplates(t, dir, b), cfg)
		return victim{Work: "build", Dir: dir, Config: cfg}
	}
	found := 0
	eachKill(t, prepare, func(t *testing.T, v victim, said []string) {
		ts := openTemplates(t, v.Dir, b)
		snap, err := ts.Get(t.Context(), cfg)
		removing := slices.Contains(said, "built")
		switch {
		case err == nil:
			snap.Close()
			found++
			if list, err := ts.List(); err != nil || len(list) != 1 {
				t.Errorf("List: %v, %v", list, err)
			}
		case !removing || !errors.Is(err, sandbox.ErrNoTemplate):
			t.Errorf("Get: %v", err)
		default:
			if left := templateFiles(t, v.Dir); len(left) > 0 {
				t.Errorf("these are left: %v", left)
			}
		}
	})
	if found < 10 {
		t.Errorf("only %d victims left a template", found)
	}
}

// full has every step that needs room on the disk fail from the nth on.
func full(t *testing.T, n int) (reached func() bool) {
	t.Helper()
	step := 0
	durable.SetHook(func(op durable.Op, name string) error {
		if op == durable.OpRemove || op == durable.OpSyncDir {
			return nil
		}
		if step++; step < n {
			return nil
		}
		return &os.PathError{Op: string(op), Path: name, Err: syscall.ENOSPC}
	})
	t.Cleanup(func() { durable.SetHook(nil) })
	return func() bool { durable.SetHook(nil); return step >= n }
}

// TestSuspendOntoAFullDisk fills the disk before one step of a suspend after the
// other. The sandbox runs on, and nothing is left.
func TestSuspendOntoAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := t.TempDir()
		m, b := manager(t, state, keeping)
		id := createNoting(t, m, bootable(t), "kept")
		steps := 0
		for n := 1; ; n++ {
			reached := full(t, n)
			err := m.Suspend(t.Context(), "alice", id)
			if !reached() {
				if err != nil {
					t.Error(err)
				}
				break
			}
			steps++
			if !errors.Is(err, sandbox.ErrDiskFull) || !strings.Contains(err.Error(), "free some of it") || strings.Contains(err.Error(), state) {
				t.Errorf("step %d: %v, want ErrDiskFull, what to do, and not where", n, err)
			}
			if b.Running() != 1 || len(suspended(t, state)) > 0 {
				t.Errorf("step %d: %d machines run, %v is left", n, b.Running(), suspended(t, state))
			}
			l := acquire(t, m, id)
			if got := says(t, l, "note"); got != "kept" {
				t.Errorf("step %d: it remembers %q", n, got)
			}
			l.Release()
		}
		if steps < 8 {
			t.Errorf("there were only %d steps", steps)
		}
		l := acquire(t, m, id)
		defer l.Release()
		if got := says(t, l, "note"); got != "kept" {
			t.Errorf("once there is room it remembers %q", got)
		}
	})
}

// A sandbox that does not fit onto the disk when the server closes ends, and nothing
// is left of it.
func TestKeepOntoAFullDisk(t *testing.T) {
	state := t.TempDir()
	m, b := manager(t, state, keeping)
	createNoting(t, m, bootable(t), "lost")
	reached := full(t, 3)
	if err := m.Close(); err != nil || !reached() {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(state, "*")); err != nil || len(left) != 1 || b.Running() > 0 {
		t.Errorf("%v is left, %v, want the lock; %d machines run", left, err, b.Running())
	}
}

// TestBuildOntoAFullDisk fills the disk before one step of a build after the other.
func TestBuildOntoAFullDisk(t *testing.T) {
	b, cfg, dir := new(sandboxtest.Backend), bootable(t), t.TempDir()
	ts := openTemplates(t, dir, b)
	steps := 0
	for n := 1; ; n++ {
		reached := full(t, n)
		err := ts.Build(t.Context(), cfg, sandbox.BuildOptions{Dir: t.TempDir()})
		if !reached() {
			if err != nil {
				t.Error(err)
			}
			break
		}
		steps++
		if !errors.Is(err, sandbox.ErrDiskFull) || !strings.Contains(err.Error(), "free some of it") {
			t.Errorf("step %d: %v, want ErrDiskFull and what to do", n, err)
		}
		if left := templateFiles(t, dir); len(left) > 0 || b.Running() > 0 {
			t.Errorf("step %d: %v is left, %d machines run", n, left, b.Running())
		}
	}
	if steps < 8 {
		t.Errorf("there were only %d steps", steps)
	}
}
