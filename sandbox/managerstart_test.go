package sandbox_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// How the fake backend calls the two ways to start.
const (
	cold = "start fake guest"
	warm = "resume fake guest"
)

// started creates a sandbox, waits until nothing goes on in the background any
// more, and returns how it was started and what its first response tells.
func started(t *testing.T, m *sandbox.Manager, cfg sandbox.Config) (how string, notices []string) {
	t.Helper()
	l, err := m.Create(t.Context(), "alice", cfg, func(step string) {
		if slices.Contains([]string{cold, warm}, step) {
			how = step
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	res, err := l.Session().Do(t.Context(), desktop.Screenshot{}, desktop.Observe{})
	if err != nil {
		t.Fatal(err)
	}
	l.Session().Stop()
	synctest.Wait()
	return how, res.Notices
}

func TestManagerMakesTheTemplateOnFirstUse(t *testing.T) {
	cfg, dir, state := bootable(t), t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := new(sandboxtest.Backend)
		ts := openTemplates(t, dir, b)
		m, _ := manager(t, state, func(c *sandbox.ManagerConfig) { c.Backend, c.Templates = b, ts })
		for i, want := range []string{cold, warm, warm} {
			if how, notices := started(t, m, cfg); how != want || len(notices) > 0 {
				t.Errorf("sandbox %d: %s, want %s; it tells %q", i, how, want, notices)
			}
		}
		if n := b.Running(); n != 0 {
			t.Errorf("%d machines run", n)
		}
	})
}

func TestManagerBootsWhatHasNoUsableTemplate(t *testing.T) {
	cfg, dir, state := bootable(t), t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := new(sandboxtest.Backend)
		made := openTemplates(t, dir, b)
		buildTemplate(t, made, cfg)
		key, err := made.Key(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, key, "machine", "state.json"), 10); err != nil {
			t.Fatal(err)
		}
		ts := openTemplates(t, dir, b)
		m, _ := manager(t, state, func(c *sandbox.ManagerConfig) { c.Backend, c.Templates = b, ts })
		how, notices := started(t, m, cfg)
		if how != cold || len(notices) != 1 || !strings.Contains(notices[0], "booted anew") {
			t.Errorf("with a broken template: %s, it tells %q", how, notices)
		}
		if how, notices := started(t, m, cfg); how != warm || len(notices) > 0 {
			t.Errorf("after that: %s, it tells %q", how, notices)
		}
	})
}

// An image that is built anew makes its template stale.
func TestManagerMakesAStaleTemplateAnew(t *testing.T) {
	cfg, dir, state := bootable(t), t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := new(sandboxtest.Backend)
		ts := openTemplates(t, dir, b)
		buildTemplate(t, ts, cfg)
		m, _ := manager(t, state, func(c *sandbox.ManagerConfig) { c.Backend, c.Templates = b, ts })
		put(t, cfg.Root.Path, "another root, and a longer one")
		for i, want := range []string{cold, warm} {
			if how, notices := started(t, m, cfg); how != want || len(notices) > 0 {
				t.Errorf("sandbox %d: %s, want %s; it tells %q", i, how, want, notices)
			}
		}
	})
}

func TestManagerMakesNoTemplateWithoutRoom(t *testing.T) {
	cfg, dir, state := bootable(t), t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := new(sandboxtest.Backend)
		ts := openTemplates(t, dir, b)
		m, _ := manager(t, state, func(c *sandbox.ManagerConfig) { c.Backend, c.Templates, c.Capacity = b, ts, 1 })
		l, err := m.Create(t.Context(), "alice", cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		synctest.Wait()
		if list, err := ts.List(); err != nil || len(list) > 0 {
			t.Errorf("templates: %v, %v", list, err)
		}
	})
}

// unsaved is a backend on a host where nothing can be saved.
type unsaved struct{ sandbox.Snapshotter }

func (unsaved) Fingerprint(context.Context, sandbox.Config) (string, error) {
	return "", sandbox.ErrUnsupported
}

func TestManagerBootsWhereNothingCanBeSaved(t *testing.T) {
	cfg, dir, state := bootable(t), t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := unsaved{new(sandboxtest.Backend)}
		ts := openTemplates(t, dir, b)
		m, _ := manager(t, state, func(c *sandbox.ManagerConfig) { c.Backend, c.Templates = b, ts })
		for range 2 {
			if how, notices := started(t, m, cfg); how != cold || len(notices) > 0 {
				t.Errorf("%s, it tells %q", how, notices)
			}
		}
	})
}

// troubled is a backend on a host in trouble.
type troubled struct {
	*sandboxtest.Backend
	load, resume, background error // what these fail with
	backgrounds              int   // machines that were to start there
}

func (b *troubled) Load(ctx context.Context, dir string) (sandbox.State, error) {
	if b.load != nil {
		return nil, b.load
	}
	return b.Backend.Load(ctx, dir)
}

func (b *troubled) Resume(ctx context.Context, cfg sandbox.Config, boot desktop.Boot, s sandbox.State, dir string, onStep func(string)) (sandbox.Machine, error) {
	if b.resume != nil {
		return nil, b.resume
	}
	return b.Backend.Resume(ctx, cfg, boot, s, dir, onStep)
}

func (b *troubled) Start(ctx context.Context, cfg sandbox.Config, boot desktop.Boot, dir string, onStep func(string)) (sandbox.Machine, error) {
	if cfg.Background {
		b.backgrounds++
		if b.background != nil {
			return nil, b.background
		}
	}
	return b.Backend.Start(ctx, cfg, boot, dir, onStep)
}

func TestTemplateOutlivesTroubleOfTheHost(t *testing.T) {
	tests := []struct {
		name    string
		trouble func(b *troubled, err error)
		err     error
		kept    bool
	}{
		{"not read", func(b *troubled, err error) { b.load = err }, errors.New("too many open files"), true},
		{"damaged", func(b *troubled, err error) { b.load = err }, sandbox.ErrUnusable, false},
		{"not started", func(b *troubled, err error) { b.resume = err }, sandbox.ErrStartFailed, true},
		{"refused", func(b *troubled, err error) { b.resume = err }, sandbox.ErrUnusable, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, dir, state := bootable(t), t.TempDir(), t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				b := &troubled{Backend: new(sandboxtest.Backend)}
				buildTemplate(t, openTemplates(t, dir, b), cfg)
				ts := openTemplates(t, dir, b)
				m, _ := manager(t, state, func(c *sandbox.ManagerConfig) { c.Backend, c.Templates = b, ts })
				tt.trouble(b, tt.err)
				if how, notices := started(t, m, cfg); how != cold || len(notices) != 1 {
					t.Errorf("in trouble: %s, it tells %q", how, notices)
				}
				tt.trouble(b, nil)
				if kept := b.backgrounds == 0; kept != tt.kept {
					t.Errorf("the template was kept: %v, want %v", kept, tt.kept)
				}
				if how, notices := started(t, m, cfg); how != warm || len(notices) > 0 {
					t.Errorf("after it: %s, it tells %q", how, notices)
				}
			})
		})
	}
}

func TestManagerDoesNotRepeatAFailingBuild(t *testing.T) {
	cfg, dir, state := bootable(t), t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &troubled{Backend: new(sandboxtest.Backend), background: errors.New("no space left on device")}
		ts := openTemplates(t, dir, b)
		m, _ := manager(t, state, func(c *sandbox.ManagerConfig) { c.Backend, c.Templates = b, ts })
		for range 3 {
			started(t, m, cfg)
		}
		if b.backgrounds != 1 {
			t.Errorf("the build was tried %d times", b.backgrounds)
		}
		other := cfg
		other.CPUs = 3
		if started(t, m, other); b.backgrounds != 2 {
			t.Error("that one build failed kept another from being tried")
		}
		b.background = nil
		time.Sleep(10 * time.Minute)
		for _, want := range []string{cold, warm} {
			if how, _ := started(t, m, cfg); how != want {
				t.Errorf("some minutes later: %s, want %s", how, want)
			}
		}
	})
}
