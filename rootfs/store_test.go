package rootfs

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/vmette/vmette-mcp/desktop"
)

// fakeProvider builds small images of specs that begin with "fake:".
type fakeProvider struct {
	version string
	build   func(ctx context.Context, dir string, progress func(Progress)) error // beside the files; may be nil
	builds  atomic.Int32
}

func (f *fakeProvider) Match(spec string) (Recipe, error) {
	if !strings.HasPrefix(spec, "fake:") {
		return nil, nil
	}
	return fakeRecipe{spec, f}, nil
}

type fakeRecipe struct {
	name string
	*fakeProvider
}

func (r fakeRecipe) Name() string { return r.name }
func (r fakeRecipe) Hash() string { return "recipe " + r.version }
func (r fakeRecipe) Space() int64 { return 1 }

func (r fakeRecipe) Build(ctx context.Context, job *Job) (*Manifest, error) {
	r.builds.Add(1)
	dir := job.Dir
	for _, f := range []string{"k", "m", "r", "work/x"} {
		_ = os.Mkdir(filepath.Join(dir, "work"), 0o755)
		if err := os.WriteFile(filepath.Join(dir, f), []byte(f+f+f+f), 0o644); err != nil {
			return nil, err
		}
	}
	if r.build != nil {
		if err := r.build(ctx, dir, job.Progress); err != nil {
			return nil, err
		}
	}
	return &Manifest{
		RootFormat: "squashfs",
		Files:      Files{Kernel: File{Name: "k"}, Modules: File{Name: "m"}, Root: File{Name: "r"}},
	}, nil
}

func openFake(t testing.TB, dir string, p *fakeProvider) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.arch, s.providers = "amd64", []Provider{p}
	return s
}

func TestStore(t *testing.T) {
	p := &fakeProvider{version: "1"}
	s := openFake(t, t.TempDir(), p)
	if _, err := s.Get(t.Context(), "fake:a"); !errors.Is(err, ErrNotBuilt) {
		t.Fatalf("Get before Build: %v, want ErrNotBuilt", err)
	}
	built, err := s.Build(t.Context(), "fake:a", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), "fake:a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(built, got); diff != "" {
		t.Errorf("Get after Build (-built +got):\n%s", diff)
	}
	dir := filepath.Join(s.Dir(), "images", "fake-a-amd64", got.ID)
	if got.Kernel != filepath.Join(dir, "k") || got.Outdated || got.Size < 12 {
		t.Errorf("image is %+v", got)
	}
	if diff := cmp.Diff([]string{"k", "m", "manifest.json", "r"}, names(t, dir)); diff != "" {
		t.Errorf("files of the image (-want +got):\n%s", diff)
	}
	if again, err := s.Build(t.Context(), "fake:a", nil); err != nil || again.ID != built.ID || p.builds.Load() != 1 {
		t.Errorf("second Build: %v, %v after %d builds, want the first one's image", again, err, p.builds.Load())
	}
	if _, err := s.Build(t.Context(), "fake:b", nil); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) != 2 || list[0].Name != "fake:a" {
		t.Errorf("List: %v, %v", list, err)
	}
	if err := s.Remove("fake:a"); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(t.Context(), "fake:a"); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("Get after Remove: %v, want ErrNotBuilt", err)
	}
	for _, name := range []string{"fake:a", "", "abc"} {
		if err := s.Remove(name); !errors.Is(err, ErrNotBuilt) {
			t.Errorf("Remove(%q): %v, want ErrNotBuilt", name, err)
		}
	}
	if list, _ := s.List(); len(list) != 1 || s.Remove(list[0].ID[:8]) != nil {
		t.Error("an image cannot be removed by its ID")
	}
}

func TestOutdated(t *testing.T) {
	dir := t.TempDir()
	old, err := openFake(t, dir, &fakeProvider{version: "1"}).Build(t.Context(), "fake:a", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := openFake(t, dir, &fakeProvider{version: "2"})
	if _, err := s.Get(t.Context(), "fake:a"); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("Get of an outdated image: %v, want ErrNotBuilt", err)
	}
	if list, _ := s.List(); len(list) != 1 || !list[0].Outdated {
		t.Errorf("List: %v, want one outdated image", list)
	}
	fresh, err := s.Build(t.Context(), "fake:a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if fresh.ID == old.ID {
		t.Error("two recipes gave one ID")
	}
	if _, err := os.Stat(old.Root); err != nil {
		t.Errorf("the old image is gone while it may be in use: %v", err)
	}
}

func TestDamagedImageIsNone(t *testing.T) {
	for name, damage := range map[string]func(*Image) error{
		"short file":      func(i *Image) error { return os.Truncate(i.Root, 2) },
		"missing file":    func(i *Image) error { return os.Remove(i.Kernel) },
		"other manifest":  func(i *Image) error { return os.WriteFile(i.Manifest, []byte(`{"version":1}`), 0o644) },
		"broken manifest": func(i *Image) error { return os.WriteFile(i.Manifest, []byte(`{`), 0o644) },
		"no manifest":     func(i *Image) error { return os.Remove(i.Manifest) },
	} {
		t.Run(name, func(t *testing.T) {
			p := &fakeProvider{}
			s := openFake(t, t.TempDir(), p)
			img, err := s.Build(t.Context(), "fake:a", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(img); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(t.Context(), "fake:a"); !errors.Is(err, ErrNotBuilt) {
				t.Errorf("Get: %v, want ErrNotBuilt", err)
			}
			list, err := s.List()
			if err != nil || len(list) != 1 || list[0].Problem == "" || list[0].ID != img.ID || list[0].Size == 0 {
				t.Errorf("List: %+v, %v, want the image with its problem", list, err)
			}
			if _, err := s.Build(t.Context(), "fake:a", nil); err != nil {
				t.Errorf("Build over it: %v", err)
			}
		})
	}
}

// TestImageOfAnotherVersion has an image that a later version of this program
// has built: it cannot be used, but it can be seen and removed.
func TestImageOfAnotherVersion(t *testing.T) {
	s := openFake(t, t.TempDir(), &fakeProvider{})
	img, err := s.Build(t.Context(), "fake:a", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(img.Manifest, []byte(`{"version":99,"name":"fake:a","new":1}`), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if err != nil || len(list) != 1 {
		t.Fatalf("List: %v, %v", list, err)
	}
	if got := list[0]; got.Name != "fake:a" || got.ID != img.ID || !got.Outdated || !strings.Contains(got.Problem, "version 99") {
		t.Errorf("List: %+v", got)
	}
	if err := s.Remove("fake:a"); err != nil {
		t.Error(err)
	}
	if left := names(t, filepath.Dir(filepath.Dir(img.Manifest))); len(left) > 0 {
		t.Errorf("after Remove: %v", left)
	}
}

// TestBuildIsShared has two processes, as it were, ask for one image: the
// second sees the progress of the first and then its result.
func TestBuildIsShared(t *testing.T) {
	dir := t.TempDir()
	waiting := make(chan struct{})
	p := &fakeProvider{build: func(ctx context.Context, _ string, progress func(Progress)) error {
		progress(Progress{Phase: PhaseInstall, Done: 1, Total: 2})
		select {
		case <-waiting:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	started := make(chan struct{})
	type result struct {
		img *Image
		err error
	}
	first := make(chan result, 1)
	go func() {
		s := openFake(t, dir, p)
		img, err := s.Build(t.Context(), "fake:a", func(q Progress) {
			if q.Phase == PhaseInstall {
				close(started)
			}
		})
		first <- result{img, err}
	}()
	<-started
	s := openFake(t, dir, p) // which must not sweep the other's build away
	seen := false
	img, err := s.Build(t.Context(), "fake:a", func(q Progress) {
		if q.Phase == PhaseInstall && q.Done == 1 && !seen {
			seen = true
			close(waiting)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	r := <-first
	if r.err != nil || r.img.ID != img.ID || p.builds.Load() != 1 {
		t.Errorf("first: %+v; second: %+v; %d builds", r, img, p.builds.Load())
	}
}

func TestWaitForBuildEndsWithContext(t *testing.T) {
	s := openFake(t, t.TempDir(), &fakeProvider{})
	unlock, ok, err := tryLock(s.lockFile("fake-a-amd64"))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	_, err = s.Build(ctx, "fake:a", func(p Progress) {
		if p.Phase != PhaseWait {
			t.Errorf("phase is %q, want %q", p.Phase, PhaseWait)
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Build: %v, want context.Canceled", err)
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	boom := errors.New("boom")
	for name, build := range map[string]func(context.CancelFunc) error{
		"error":  func(context.CancelFunc) error { return boom },
		"cancel": func(cancel context.CancelFunc) error { cancel(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := openFake(t, t.TempDir(), &fakeProvider{build: func(context.Context, string, func(Progress)) error { return build(cancel) }})
			_, err := s.Build(ctx, "fake:a", nil)
			if !errors.Is(err, boom) && !errors.Is(err, context.Canceled) {
				t.Errorf("Build: %v", err)
			}
			for _, d := range []string{"staging", "images"} {
				if left := names(t, filepath.Join(s.Dir(), d)); len(left) > 0 {
					t.Errorf("%s holds %v", d, left)
				}
			}
		})
	}
}

func TestOpenRemovesWhatAKilledBuildLeft(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "vmette-scratch")
	work := filepath.Join(dir, "staging", "fake-a-amd64", "image", "work")
	for _, d := range []string{filepath.Join(outside, "root", "etc"), work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(work, scratchLink)); err != nil {
		t.Fatal(err)
	}
	s := openFake(t, dir, &fakeProvider{})
	if left := names(t, filepath.Join(s.Dir(), "staging")); len(left) > 0 {
		t.Errorf("staging holds %v", left)
	}
	if _, err := os.Stat(outside); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the scratch directory is still there: %v", err)
	}
}

// TestOpenGoesOnWhenSomethingCannotBeRemoved has a scratch directory that not
// even root can remove: it is a file of /proc.
func TestOpenGoesOnWhenSomethingCannotBeRemoved(t *testing.T) {
	dir := t.TempDir()
	stuck := filepath.Join(dir, "staging", "fake-a-amd64", "image", "work")
	if err := os.MkdirAll(stuck, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/version", filepath.Join(stuck, scratchLink)); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s, err := OpenWith(Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "fake-a-amd64") {
		t.Errorf("the log does not warn: %q", log.String())
	}
	s.arch, s.providers = "amd64", []Provider{&fakeProvider{}}
	if _, err := s.Build(t.Context(), "fake:b", nil); err != nil {
		t.Errorf("another image cannot be built: %v", err)
	}
	if _, err := s.Build(t.Context(), "fake:a", nil); err == nil || !strings.Contains(err.Error(), "scratch directory") {
		t.Errorf("the build that it is in the way of: %v, want to be told", err)
	}
}

func TestBuildRemovesItsScratchDirectory(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "vmette-scratch")
	s := openFake(t, t.TempDir(), &fakeProvider{build: func(_ context.Context, dir string, _ func(Progress)) error {
		return errors.Join(os.MkdirAll(filepath.Join(outside, "root"), 0o755), os.Symlink(outside, filepath.Join(dir, "work", scratchLink)))
	}})
	if _, err := s.Build(t.Context(), "fake:a", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(outside); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the scratch directory is still there: %v", err)
	}
}

func TestNoSpace(t *testing.T) {
	if err := checkSpace(t.TempDir(), 1<<62); err == nil || !strings.Contains(err.Error(), "free some") {
		t.Errorf("checkSpace: %v, want an error that says what to do", err)
	}
}

func TestManifestStaysInItsDirectory(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", "/etc/passwd", "manifest.json"} {
		m := &Manifest{Version: manifestVersion, Files: Files{
			Kernel: File{Name: name}, Modules: File{Name: "m"}, Root: File{Name: "r"},
		}}
		b, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeManifest(b); err == nil {
			t.Errorf("a manifest with the file %q is taken", name)
		}
	}
}

func TestInitramfs(t *testing.T) {
	s := openFake(t, t.TempDir(), &fakeProvider{build: func(_ context.Context, dir string, _ func(Progress)) error {
		f, err := os.Create(filepath.Join(dir, "m"))
		if err != nil {
			return err
		}
		return errors.Join(writeArchive(f, moduleArchive(kernelModules{boot: []module{{"kernel/fs/overlay.ko", []byte("overlay")}}})), f.Close())
	}})
	img, err := s.Build(t.Context(), "fake:a", nil)
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Initramfs(img, []byte("agent one"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := os.ReadFile(img.Modules)
	if err != nil {
		t.Fatal(err)
	}
	if string(b[:len(modules)]) != string(modules) {
		t.Error("the initramfs does not begin with the modules")
	}
	archive, err := cpio.ArchiveFromReader(cpio.Newc.Reader(strings.NewReader(string(b[len(modules):]))))
	if err != nil {
		t.Fatal(err)
	}
	if init, ok := archive.Get(desktop.AgentFile); !ok || init.Mode != cpio.S_IFREG|0o755 || init.FileSize != 9 {
		t.Errorf("the agent is %+v", init.Info)
	}

	if again, err := s.Initramfs(img, []byte("agent one")); err != nil || again != first {
		t.Errorf("second call: %q, %v, want %q", again, err, first)
	}
	second, err := s.Initramfs(img, []byte("agent two"))
	if err != nil || second == first {
		t.Errorf("another agent: %q, %v", second, err)
	}
	if len(names(t, filepath.Dir(first))) != 2 {
		t.Error("an initramfs in use was removed")
	}
	old := time.Now().Add(-2 * keepInitramfs)
	if err := os.Chtimes(first, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Initramfs(img, []byte("agent three")); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(names(t, filepath.Dir(first)), filepath.Base(first)) {
		t.Error("an old initramfs is still there")
	}
	if err := s.Remove("fake:a"); err != nil {
		t.Fatal(err)
	}
	if left := names(t, filepath.Dir(first)); len(left) > 0 {
		t.Errorf("after the image is removed %v are left", left)
	}
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
