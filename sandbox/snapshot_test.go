package sandbox_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

func TestSnapshotLosesNoAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(sandboxtest.Backend)
		s, err := sandbox.Start(t.Context(), b, sandboxtest.Config(), sandbox.StartOptions{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		const slow = 3 * time.Second
		waited := make(chan error, 1)
		go func() {
			_, err := s.Do(t.Context(), desktop.Wait{DurationMS: int(slow.Milliseconds())}, desktop.Observe{})
			waited <- err
		}()
		synctest.Wait()
		begun := time.Now()
		var snap *sandbox.Snapshot
		saved := make(chan error, 1)
		go func() {
			var err error
			snap, err = s.Snapshot(t.Context())
			saved <- err
		}()
		synctest.Wait()
		// It comes while the snapshot waits, and so after it.
		res, err := s.Do(t.Context(), desktop.CursorPosition{}, desktop.Observe{})
		if err != nil || len(res.Notices) > 0 {
			t.Errorf("the action after the snapshot: %v, notices %q", err, res.Notices)
		}
		if took := time.Since(begun); took < slow {
			t.Errorf("the snapshot was taken after %v, in the middle of an action", took)
		}
		for _, c := range []chan error{waited, saved} {
			if err := <-c; err != nil {
				t.Error(err)
			}
		}
		if err := snap.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSnapshotOfWhatHasEnded(t *testing.T) {
	s, err := sandbox.Start(t.Context(), new(sandboxtest.Backend), sandboxtest.Config(), sandbox.StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if _, err := s.Snapshot(t.Context()); !errors.Is(err, sandbox.ErrStopped) {
		t.Errorf("Snapshot: %v, want ErrStopped", err)
	}
}

// unsaveable is a backend whose machines cannot be saved.
type unsaveable struct{ *sandboxtest.Backend }

func (b unsaveable) Start(ctx context.Context, cfg sandbox.Config, boot desktop.Boot, dir string, onStep func(string)) (sandbox.Machine, error) {
	m, err := b.Backend.Start(ctx, cfg, boot, dir, onStep)
	return struct{ sandbox.Machine }{m}, err
}

func TestSnapshotOfWhatCannotBeSaved(t *testing.T) {
	s, err := sandbox.Start(t.Context(), unsaveable{new(sandboxtest.Backend)}, sandboxtest.Config(), sandbox.StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if _, err := s.Snapshot(t.Context()); !errors.Is(err, sandbox.ErrUnsupported) {
		t.Errorf("Snapshot: %v, want ErrUnsupported", err)
	}
}

// A sandbox that was started from a snapshot was given randomness, which no snapshot
// of it may hold.
func TestStoredSnapshotHoldsNoRandomness(t *testing.T) {
	b := new(sandboxtest.Backend)
	s, err := sandbox.Start(t.Context(), b, sandboxtest.Config(), sandbox.StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	first, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	resumed, err := sandbox.Resume(t.Context(), b, first, sandbox.StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer resumed.Stop()
	second, err := resumed.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	dir := t.TempDir()
	if err := second.Store(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	var rec struct {
		Boot desktop.Boot `json:"boot"`
	}
	if err := sandbox.ReadRecord(filepath.Join(dir, "snapshot.json"), &rec); err != nil {
		t.Fatal(err)
	}
	want := desktop.Boot{Port: rec.Boot.Port, Token: rec.Boot.Token}
	if diff := cmp.Diff(want, rec.Boot); diff != "" || rec.Boot.Token == "" || rec.Boot.Port == 0 {
		t.Errorf("it holds more than the port and the token (-want +got):\n%s", diff)
	}
}

// A save waits a while for what is under way, and is then refused. Both it and what
// came meanwhile go on.
func TestSaveIsRefusedWhileAnActionGoesOn(t *testing.T) {
	saves := map[string]func(context.Context, *sandbox.Manager, string) error{
		"Checkpoint": func(ctx context.Context, m *sandbox.Manager, id string) error {
			return second(m.Checkpoint(ctx, "alice", id, sandbox.CheckpointOptions{}))
		},
		"Rollback": func(ctx context.Context, m *sandbox.Manager, id string) error {
			return second(m.Rollback(ctx, "alice", id, "", nil))
		},
		"Fork": func(ctx context.Context, m *sandbox.Manager, id string) error {
			return second(m.Fork(ctx, "alice", id, nil))
		},
	}
	for name, save := range saves {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _ := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Capacity = 3 })
				l := create(t, m, "alice")
				defer l.Release()
				id := l.Info().ID
				if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{}); err != nil {
					t.Fatal(err)
				}
				says(t, l, "note before")
				const slow = time.Minute
				waited := make(chan error, 1)
				go func() {
					_, err := l.Do(t.Context(), desktop.Wait{DurationMS: int(slow.Milliseconds())}, desktop.Observe{})
					waited <- err
				}()
				synctest.Wait()
				begun := time.Now()
				refused := make(chan error, 1)
				go func() { refused <- save(t.Context(), m, id) }()
				synctest.Wait()
				if got := says(t, l, "note"); got != "before" {
					t.Errorf("it remembers %q", got)
				}
				if held := time.Since(begun); held == 0 || held > 10*time.Second {
					t.Errorf("an action that came meanwhile was held up for %v", held)
				}
				if err := <-refused; !errors.Is(err, sandbox.ErrInUse) {
					t.Errorf("%v, want ErrInUse", err)
				}
				if err := <-waited; err != nil || time.Since(begun) != slow {
					t.Errorf("the action under way ended after %v with %v", time.Since(begun), err)
				}
				if err := save(t.Context(), m, id); err != nil {
					t.Errorf("once it is done: %v", err)
				}
			})
		})
	}
}
