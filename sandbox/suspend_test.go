package sandbox_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// suspended returns the directories of sandboxes that are suspended.
func suspended(t *testing.T, state string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(state, "*", "suspended-*"))
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func acquire(t *testing.T, m *sandbox.Manager, id string) *sandbox.Lease {
	t.Helper()
	l, err := m.Acquire(t.Context(), "alice", id)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSuspendedSandboxGoesOnWhenItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := t.TempDir()
		m, b := manager(t, state, nil)
		l := create(t, m, "alice")
		id := l.Info().ID
		says(t, l, "note kept")
		if err := m.Suspend(t.Context(), "alice", id); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("Suspend of a sandbox that is leased: %v, want a refusal", err)
		}
		if got := says(t, l, "note"); got != "kept" {
			t.Errorf("after that it remembers %q", got)
		}
		l.Release()
		for range 2 { // the second finds it suspended
			if err := m.Suspend(t.Context(), "alice", id); err != nil {
				t.Fatal(err)
			}
		}
		if n := b.Running(); n != 0 || len(suspended(t, state)) != 1 {
			t.Errorf("%d machines run, and %v is there", n, suspended(t, state))
		}
		if list := m.List("alice"); len(list) != 1 || list[0].ID != id || !list[0].Size.Valid() {
			t.Errorf("List: %+v", list)
		}
		l = acquire(t, m, id)
		synctest.Wait() // until the disk is free again
		if got := says(t, l, "note"); got != "kept" || b.Running() != 1 || len(suspended(t, state)) != 0 {
			t.Errorf("it remembers %q, %d machines run, %v is there", got, b.Running(), suspended(t, state))
		}
		l.Release()
		// What works on one that runs resumes it.
		if err := m.Suspend(t.Context(), "alice", id); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{}); err != nil || b.Running() != 1 {
			t.Errorf("Checkpoint: %v, %d machines run", err, b.Running())
		}
	})
}

// What a suspended sandbox shares with its template is kept for it, until it goes on or
// is gone. One that shares nothing would keep all of its memory.
func TestSuspendedSandboxKeepsWhatItShares(t *testing.T) {
	end := func(m *sandbox.Manager, id string) error { return m.End(t.Context(), "alice", id) }
	for name, tt := range map[string]struct {
		booted bool
		end    func(m *sandbox.Manager, id string) error
	}{
		"closed":             {false, end},
		"end of the manager": {false, func(m *sandbox.Manager, _ string) error { return m.Close() }},
		"booted":             {true, end},
	} {
		t.Run(name, func(t *testing.T) {
			b, cfg := &sandboxtest.Backend{}, bootable(t)
			ts := openTemplates(t, t.TempDir(), b)
			if !tt.booted {
				buildTemplate(t, ts, cfg)
			}
			m, _ := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) {
				c.Backend = b
				if !tt.booted {
					c.Templates = ts
				}
			})
			l, err := m.Create(t.Context(), "alice", cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			id := l.Info().ID
			l.Release()
			stubs := func(when string, open, loads int) {
				t.Helper()
				if tt.booted {
					open, loads = 0, 0
				}
				if o, n := b.Stubs(); o != open || n != loads {
					t.Errorf("%s: %d stubs are open and %d states were loaded by one, want %d and %d", when, o, n, open, loads)
				}
			}
			suspend := func() {
				t.Helper()
				if err := m.Suspend(t.Context(), "alice", id); err != nil {
					t.Fatal(err)
				}
			}
			suspend()
			stubs("suspended", 1, 0)
			b.StartErr = errors.New("no luck")
			if l, err := m.Acquire(t.Context(), "alice", id); err == nil {
				l.Release()
				t.Error("it goes on although no machine starts")
			}
			b.StartErr = nil
			stubs("when it could not go on", 1, 1)
			acquire(t, m, id).Release()
			stubs("resumed", 0, 2)
			suspend()
			stubs("suspended again", 1, 2)
			if err := tt.end(m, id); err != nil {
				t.Fatal(err)
			}
			stubs("at the end", 0, 2)
		})
	}
}

func TestSuspendedSandboxNeedsRoomAgain(t *testing.T) {
	m, b := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Capacity = 1 })
	l := create(t, m, "alice")
	id := l.Info().ID
	l.Release()
	if err := m.Suspend(t.Context(), "alice", id); err != nil {
		t.Fatal(err)
	}
	other := create(t, m, "alice")
	if _, err := m.Acquire(t.Context(), "alice", id); !errors.Is(err, sandbox.ErrCapacity) {
		t.Errorf("Acquire without room: %v, want ErrCapacity", err)
	}
	if err := m.End(t.Context(), "alice", other.Info().ID); err != nil {
		t.Fatal(err)
	}
	acquire(t, m, id).Release()
	if n := b.Running(); n != 1 {
		t.Errorf("%d machines run", n)
	}
}

func TestSuspendedSandboxEnds(t *testing.T) {
	tests := map[string]func(t *testing.T, m *sandbox.Manager, id string) error{
		"by its owner":        func(t *testing.T, m *sandbox.Manager, id string) error { return m.End(t.Context(), "alice", id) },
		"with its manager":    func(_ *testing.T, m *sandbox.Manager, _ string) error { return m.Close() },
		"when its time is up": func(*testing.T, *sandbox.Manager, string) error { time.Sleep(2 * time.Hour); return nil },
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				state := t.TempDir()
				m, b := manager(t, state, func(c *sandbox.ManagerConfig) { c.Idle = time.Hour })
				l := create(t, m, "alice")
				id := l.Info().ID
				l.Release()
				if err := m.Suspend(t.Context(), "alice", id); err != nil {
					t.Fatal(err)
				}
				if err := end(t, m, id); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if left := suspended(t, state); len(left) > 0 || b.Running() > 0 {
					t.Errorf("%v is left, %d machines run", left, b.Running())
				}
				_, err := m.Acquire(t.Context(), "alice", id)
				if !errors.Is(err, sandbox.ErrNoDesktop) {
					t.Errorf("Acquire: %v, want ErrNoDesktop", err)
				}
				if late := strings.Contains(name, "time"); late != strings.Contains(err.Error(), "time was up") {
					t.Errorf("it ended %s, and Acquire says %v", name, err)
				}
			})
		})
	}
}

func TestIdleSandboxIsSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := t.TempDir()
		m, b := manager(t, state, func(c *sandbox.ManagerConfig) { c.Suspend = time.Minute })
		l := create(t, m, "alice")
		id := l.Info().ID
		time.Sleep(time.Hour)
		if len(suspended(t, state)) > 0 {
			t.Error("a sandbox that is leased was suspended")
		}
		for range 2 {
			l.Release()
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			if b.Running() != 0 || len(suspended(t, state)) != 1 {
				t.Fatalf("%d machines run, and %v is there", b.Running(), suspended(t, state))
			}
			l = acquire(t, m, id)
			if b.Running() != 1 {
				t.Errorf("%d machines run", b.Running())
			}
		}
	})
}

// A sandbox that cannot be stored runs on.
func TestFailedSuspendChangesNothing(t *testing.T) {
	state := t.TempDir()
	m, b := manager(t, state, nil)
	l := create(t, m, "alice")
	id := l.Info().ID
	says(t, l, "note kept")
	l.Release()
	server, err := filepath.Glob(filepath.Join(state, "server-*"))
	if err != nil || len(server) != 1 {
		t.Fatal(server, err)
	}
	away := server[0] + ".away"
	if err := os.Rename(server[0], away); err != nil {
		t.Fatal(err)
	}
	if err := m.Suspend(t.Context(), "alice", id); err == nil {
		t.Error("it was suspended without a directory")
	}
	if err := os.Rename(away, server[0]); err != nil {
		t.Fatal(err)
	}
	l = acquire(t, m, id)
	defer l.Release()
	if got := says(t, l, "note"); got != "kept" || b.Running() != 1 {
		t.Errorf("it remembers %q, %d machines run", got, b.Running())
	}
}

// Who gives up waiting for a suspended sandbox leaves it as it is.
func TestAcquireIsGivenUp(t *testing.T) {
	m, b := manager(t, t.TempDir(), nil)
	l := create(t, m, "alice")
	id := l.Info().ID
	l.Release()
	if err := m.Suspend(t.Context(), "alice", id); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Acquire(ctx, "alice", id); !errors.Is(err, context.Canceled) || b.Running() != 0 {
		t.Errorf("Acquire: %v, and %d machines run", err, b.Running())
	}
	acquire(t, m, id).Release()
}

// The room of a sandbox that is suspended is free when its machine is gone, and not
// before.
func TestSuspendedSandboxKeepsItsRoomUntilItsMachineIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Capacity = 1 })
		gone := make(chan struct{})
		b.Guest = func(ctx context.Context, g *sandboxtest.Guest) error {
			err := sandboxtest.Desktop(ctx, g)
			<-gone
			return err
		}
		l := create(t, m, "alice")
		l.Release()
		suspended := make(chan error, 1)
		go func() { suspended <- m.Suspend(t.Context(), "alice", l.Info().ID) }()
		synctest.Wait()
		if _, err := m.Create(t.Context(), "bob", sandboxtest.Config(), nil); !errors.Is(err, sandbox.ErrCapacity) {
			t.Errorf("Create while the machine ends: %v, want ErrCapacity", err)
		}
		close(gone)
		if err := <-suspended; err != nil {
			t.Fatal(err)
		}
		create(t, m, "bob").Release()
	})
}

func TestSuspendedSandboxesAreLimited(t *testing.T) {
	m, b := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Suspended = 1 })
	var ids [2]string
	for i := range ids {
		l := create(t, m, "alice")
		ids[i] = l.Info().ID
		l.Release()
	}
	if err := m.Suspend(t.Context(), "alice", ids[0]); err != nil {
		t.Fatal(err)
	}
	if err := m.Suspend(t.Context(), "alice", ids[1]); !errors.Is(err, sandbox.ErrNoShelf) || b.Running() != 1 {
		t.Errorf("one too many: %v, and %d machines run; want ErrNoShelf", err, b.Running())
	}
	// One that goes on and one that ends make way.
	acquire(t, m, ids[0]).Release()
	if err := m.Suspend(t.Context(), "alice", ids[1]); err != nil {
		t.Error(err)
	}
	if err := m.End(t.Context(), "alice", ids[1]); err != nil {
		t.Fatal(err)
	}
	if err := m.Suspend(t.Context(), "alice", ids[0]); err != nil {
		t.Error(err)
	}
}
