package sandbox_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// bootable returns a config whose files are there.
func bootable(t *testing.T) sandbox.Config {
	t.Helper()
	dir := t.TempDir()
	cfg := sandboxtest.Config()
	for _, path := range []*string{&cfg.Kernel, &cfg.Initramfs, &cfg.Root.Path} {
		*path = filepath.Join(dir, *path)
		put(t, *path, "contents of "+filepath.Base(*path))
	}
	return cfg
}

func put(t *testing.T, path, contents string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
		t.Fatal(err)
	}
}

func openTemplates(t *testing.T, dir string, b sandbox.Snapshotter) *sandbox.Templates {
	t.Helper()
	ts, err := sandbox.OpenTemplates(sandbox.TemplatesConfig{Dir: dir, Backend: b})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ts.Close(); err != nil {
			t.Error(err)
		}
	})
	return ts
}

func buildTemplate(t *testing.T, ts *sandbox.Templates, cfg sandbox.Config) {
	t.Helper()
	if err := ts.Build(t.Context(), cfg, sandbox.BuildOptions{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
}

// templateFiles returns the paths of what is in dir, locks apart.
func templateFiles(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && path != dir && !strings.HasSuffix(path, ".lock") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestTemplateIsFoundByEveryServer(t *testing.T) {
	b, cfg, dir := new(sandboxtest.Backend), bootable(t), t.TempDir()
	ts := openTemplates(t, dir, b)
	if _, err := ts.Get(t.Context(), cfg); !errors.Is(err, sandbox.ErrNoTemplate) {
		t.Fatalf("Get before there is one: %v, want ErrNoTemplate", err)
	}
	buildTemplate(t, ts, cfg)
	if n := b.Running(); n != 0 {
		t.Errorf("%d machines run after the build", n)
	}
	for _, ts := range []*sandbox.Templates{ts, openTemplates(t, dir, b)} {
		snap, err := ts.Get(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close()
		if diff := cmp.Diff(cfg.WithDefaults(), snap.Config()); diff != "" {
			t.Errorf("config of the template (-want +got):\n%s", diff)
		}
		s, err := sandbox.Resume(t.Context(), b, snap, sandbox.StartOptions{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Do(t.Context(), desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled}); err != nil {
			t.Error(err)
		}
		s.Stop()
	}
	list, err := ts.List()
	if err != nil || len(list) != 1 || list[0].Image != cfg.Image || list[0].Bytes == 0 || !list[0].Browser {
		t.Errorf("List: %+v, %v", list, err)
	}
}

func TestTemplateKeyIsOfAllThatGoesIn(t *testing.T) {
	b, dir := new(sandboxtest.Backend), t.TempDir()
	base := bootable(t)
	key := func(cfg sandbox.Config, ts *sandbox.Templates) string {
		t.Helper()
		k, err := ts.Key(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	want := key(base, openTemplates(t, dir, b))
	if got := key(base, openTemplates(t, t.TempDir(), b)); got != want {
		t.Errorf("another server has another key")
	}
	same := base
	same.Image, same.BootTimeout, same.Background = "another name", time.Minute, true
	if got := key(same, openTemplates(t, dir, b)); got != want {
		t.Errorf("what nothing in the guest depends on changes the key")
	}
	tests := []struct {
		name   string
		change func(*sandbox.Config, *sandbox.TemplatesConfig)
	}{
		{"kernel", func(c *sandbox.Config, _ *sandbox.TemplatesConfig) { put(t, c.Kernel, "contents of Kernel") }},
		{"agent", func(c *sandbox.Config, _ *sandbox.TemplatesConfig) { put(t, c.Initramfs, "contents of initramfS") }},
		{"disk", func(c *sandbox.Config, _ *sandbox.TemplatesConfig) { put(t, c.Root.Path, "longer contents of root") }},
		{"format of the disk", func(c *sandbox.Config, _ *sandbox.TemplatesConfig) { c.Root.Format = "erofs" }},
		{"processors", func(c *sandbox.Config, _ *sandbox.TemplatesConfig) { c.CPUs++ }},
		{"memory", func(c *sandbox.Config, _ *sandbox.TemplatesConfig) { c.MemoryMiB = 1024 }},
		{"screen", func(c *sandbox.Config, _ *sandbox.TemplatesConfig) { c.Screen.Width++ }},
		{"authorities", func(c *sandbox.Config, _ *sandbox.TemplatesConfig) {
			c.Authorities = [][]byte{sandboxtest.NewAuthority(t).Certificate}
		}},
		{"sudo", func(c *sandbox.Config, _ *sandbox.TemplatesConfig) { c.NoSudo = true }},
		{"browser", func(_ *sandbox.Config, tc *sandbox.TemplatesConfig) { tc.NoBrowser = true }},
		{"hypervisor", func(_ *sandbox.Config, tc *sandbox.TemplatesConfig) { tc.Backend = &printed{Snapshotter: b} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := bootable(t)
			// The paths are those of the base, as the disk is known by its own.
			for _, p := range []struct{ from, to string }{{cfg.Kernel, base.Kernel}, {cfg.Initramfs, base.Initramfs}, {cfg.Root.Path, base.Root.Path}} {
				data, err := os.ReadFile(p.to)
				if err != nil {
					t.Fatal(err)
				}
				info, err := os.Stat(p.to)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					put(t, p.to, string(data))
					os.Chtimes(p.to, info.ModTime(), info.ModTime())
				})
			}
			cfg = base
			tc := sandbox.TemplatesConfig{Dir: dir, Backend: b}
			tt.change(&cfg, &tc)
			ts, err := sandbox.OpenTemplates(tc)
			if err != nil {
				t.Fatal(err)
			}
			defer ts.Close()
			if key(cfg, ts) == want {
				t.Error("the key is the same")
			}
		})
	}
}

// printed is a backend on another host.
type printed struct{ sandbox.Snapshotter }

func (*printed) Fingerprint(context.Context, sandbox.Config) (string, error) { return "other", nil }

func TestBrokenTemplateIsNeverUsed(t *testing.T) {
	damages := []struct {
		name   string
		damage func(t *testing.T, path string)
	}{
		{"truncated", func(t *testing.T, path string) {
			if err := os.Truncate(path, 10); err != nil {
				t.Fatal(err)
			}
		}},
		{"empty", func(t *testing.T, path string) { put(t, path, "") }},
		{"gone", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, file := range []string{"template.json", "snapshot.json", "machine/state.json"} {
		for _, d := range damages {
			t.Run(file+" "+d.name, func(t *testing.T) {
				b, cfg, dir := new(sandboxtest.Backend), bootable(t), t.TempDir()
				buildTemplate(t, openTemplates(t, dir, b), cfg)
				key, err := openTemplates(t, dir, b).Key(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				d.damage(t, filepath.Join(dir, key, file))

				ts := openTemplates(t, dir, b)
				if snap, err := ts.Get(t.Context(), cfg); err == nil {
					t.Fatalf("Get: %v, want an error", snap.Config())
				}
				// The next one looks again, finds nothing, and makes it anew.
				if _, err := ts.Get(t.Context(), cfg); !errors.Is(err, sandbox.ErrNoTemplate) {
					t.Errorf("Get again: %v, want ErrNoTemplate", err)
				}
				buildTemplate(t, ts, cfg)
				snap, err := openTemplates(t, dir, b).Get(t.Context(), cfg)
				if err != nil {
					t.Fatalf("Get after another build: %v", err)
				}
				snap.Close()
			})
		}
	}
}

func TestWhatAKilledBuildOrRemovalLeftIsRemoved(t *testing.T) {
	b, dir := new(sandboxtest.Backend), t.TempDir()
	for _, name := range []string{strings.Repeat("0123abcd", 8) + ".new", strings.Repeat("4567abcd", 8)} {
		half := filepath.Join(dir, name, "machine")
		if err := os.MkdirAll(half, 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(half, "state.json"), "half")
	}
	ts := openTemplates(t, dir, b)
	if left := templateFiles(t, dir); len(left) > 0 {
		t.Errorf("these are left: %v", left)
	}
	if list, err := ts.List(); err != nil || len(list) > 0 {
		t.Errorf("List: %v, %v", list, err)
	}
}

// A build may be killed between the moment at which the old template goes and that
// at which the new one comes.
func TestWhatAKilledBuildHadDoneIsKept(t *testing.T) {
	b, cfg, dir := new(sandboxtest.Backend), bootable(t), t.TempDir()
	ts := openTemplates(t, dir, b)
	buildTemplate(t, ts, cfg)
	key, err := ts.Key(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, key), filepath.Join(dir, key+".new")); err != nil {
		t.Fatal(err)
	}
	snap, err := openTemplates(t, dir, b).Get(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	snap.Close()
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	cfg, dir := bootable(t), t.TempDir()
	b := &sandboxtest.Backend{StartErr: sandbox.ErrStartFailed}
	ts := openTemplates(t, dir, b)
	if err := ts.Build(t.Context(), cfg, sandbox.BuildOptions{}); !errors.Is(err, sandbox.ErrStartFailed) {
		t.Errorf("Build: %v, want ErrStartFailed", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.StartErr = nil
	err := ts.Build(ctx, cfg, sandbox.BuildOptions{Dir: t.TempDir(), OnStep: func(step string) {
		if step == "start browser" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Build that is given up: %v", err)
	}
	if left := templateFiles(t, dir); len(left) > 0 {
		t.Errorf("these are left: %v", left)
	}
	if n := b.Running(); n != 0 {
		t.Errorf("%d machines run on", n)
	}
}

func TestOneProcessMakesATemplate(t *testing.T) {
	b, cfg, dir := new(sandboxtest.Backend), bootable(t), t.TempDir()
	first, second := openTemplates(t, dir, b), openTemplates(t, dir, b)
	err := first.Build(t.Context(), cfg, sandbox.BuildOptions{Dir: t.TempDir(), OnStep: func(step string) {
		if step != "save machine" {
			return
		}
		if err := second.Build(t.Context(), cfg, sandbox.BuildOptions{}); !errors.Is(err, sandbox.ErrBusy) {
			t.Errorf("the same build meanwhile: %v, want ErrBusy", err)
		}
		openTemplates(t, dir, b) // must not take it for one that was killed
	}})
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	count := func(string) { steps++ }
	if err := second.Build(t.Context(), cfg, sandbox.BuildOptions{OnStep: count}); err != nil || steps > 0 {
		t.Errorf("Build of what is there: %v after %d steps", err, steps)
	}
	if err := second.Build(t.Context(), cfg, sandbox.BuildOptions{Dir: t.TempDir(), OnStep: count, Again: true}); err != nil || steps == 0 {
		t.Errorf("Build again: %v after %d steps", err, steps)
	}
}

func TestRemoveTemplate(t *testing.T) {
	b, cfg, dir := new(sandboxtest.Backend), bootable(t), t.TempDir()
	ts := openTemplates(t, dir, b)
	key, err := ts.Key(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{cfg.Image, key, key[:8]} {
		buildTemplate(t, ts, cfg)
		if err := ts.Remove(name); err != nil {
			t.Errorf("Remove(%q): %v", name, err)
		}
		if left := templateFiles(t, dir); len(left) > 0 {
			t.Errorf("after Remove(%q) these are left: %v", name, left)
		}
	}
	for _, name := range []string{cfg.Image, key[:7], ""} {
		if err := ts.Remove(name); !errors.Is(err, sandbox.ErrNoTemplate) {
			t.Errorf("Remove(%q): %v, want ErrNoTemplate", name, err)
		}
	}
}

// What somebody has got is there until they close it, whatever becomes of the
// templates.
func TestTemplateIsFreedAfterItsLastUser(t *testing.T) {
	ends := map[string]func(t *testing.T, ts *sandbox.Templates, cfg sandbox.Config, snap *sandbox.Snapshot) error{
		"forgotten": func(t *testing.T, ts *sandbox.Templates, cfg sandbox.Config, snap *sandbox.Snapshot) error {
			return ts.Forget(t.Context(), cfg, snap)
		},
		"closed": func(_ *testing.T, ts *sandbox.Templates, _ sandbox.Config, _ *sandbox.Snapshot) error {
			return ts.Close()
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			b, cfg := new(sandboxtest.Backend), bootable(t)
			ts := openTemplates(t, t.TempDir(), b)
			buildTemplate(t, ts, cfg)
			snap, err := ts.Get(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := end(t, ts, cfg, snap); err != nil {
				t.Fatal(err)
			}
			s, err := sandbox.Resume(t.Context(), b, snap, sandbox.StartOptions{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			s.Stop()
			for range 2 {
				if err := snap.Close(); err != nil {
					t.Error(err)
				}
			}
			if s, err := sandbox.Resume(t.Context(), b, snap, sandbox.StartOptions{Dir: t.TempDir()}); err == nil {
				s.Stop()
				t.Error("a sandbox was started from what is closed")
			}
		})
	}
}

// A server that finds a template of no use leaves alone what another one is making,
// or has put in its place.
func TestForgetSparesAnotherTemplate(t *testing.T) {
	b, cfg, dir := new(sandboxtest.Backend), bootable(t), t.TempDir()
	first, second := openTemplates(t, dir, b), openTemplates(t, dir, b)
	buildTemplate(t, first, cfg)
	snap, err := first.Get(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	if err := second.Build(t.Context(), cfg, sandbox.BuildOptions{Dir: t.TempDir(), Again: true}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is another that is in memory
		if err := first.Forget(t.Context(), cfg, snap); err != nil {
			t.Error(err)
		}
		now, err := first.Get(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		now.Close()
	}
	err = second.Build(t.Context(), cfg, sandbox.BuildOptions{Dir: t.TempDir(), Again: true, OnStep: func(step string) {
		if step != "save machine" {
			return
		}
		if err := first.Remove(cfg.Image); !errors.Is(err, sandbox.ErrBusy) {
			t.Errorf("Remove while another process makes it: %v, want ErrBusy", err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// The hash of a file is remembered, but not once the file is written to, even if it
// is as large as before.
func TestTemplateKeySeesAFileThatIsWrittenTo(t *testing.T) {
	cfg := bootable(t)
	ts := openTemplates(t, t.TempDir(), new(sandboxtest.Backend))
	before, err := ts.Key(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	put(t, cfg.Initramfs, "contents of INITRAMFS")
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(cfg.Initramfs, later, later); err != nil {
		t.Fatal(err)
	}
	if after, err := ts.Key(t.Context(), cfg); err != nil || after == before {
		t.Errorf("the key is the same (%v)", err)
	}
}
