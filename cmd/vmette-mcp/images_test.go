package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/mcp"
	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
)

// fakeStore is a store whose builds go the way a test tells them.
type fakeStore struct {
	steps chan rootfs.Progress // told by Build; closed when the image is done
	fail  error                // what Build ends with
	begun chan struct{}        // receives a value for each build that began

	mu     sync.Mutex
	built  bool
	builds int
}

func newFakeStore() *fakeStore {
	return &fakeStore{steps: make(chan rootfs.Progress), begun: make(chan struct{}, 10)}
}

func (s *fakeStore) Get(context.Context, string) (*rootfs.Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.built {
		return nil, rootfs.ErrNotBuilt
	}
	return &rootfs.Image{
		Name: "debian:test", Kernel: "k", Root: "r", RootFormat: "squashfs",
		Process: &rootfs.Process{Env: []string{"FROM=image"}, WorkingDir: "/srv", User: "33", Entrypoint: []string{"not", "this"}},
	}, nil
}

func (s *fakeStore) Build(ctx context.Context, _ string, progress func(rootfs.Progress)) (*rootfs.Image, error) {
	s.mu.Lock()
	s.builds++
	s.mu.Unlock()
	s.begun <- struct{}{}
	for {
		select {
		case p, more := <-s.steps:
			if more {
				progress(p)
				continue
			}
			if s.fail != nil {
				return nil, s.fail
			}
			s.mu.Lock()
			s.built = true
			s.mu.Unlock()
			return s.Get(ctx, "")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *fakeStore) Initramfs(*rootfs.Image, []byte) (string, error) { return "i", nil }

func testImages(t *testing.T, store *fakeStore) *images {
	t.Helper()
	goleak.VerifyNone(t)
	im := newImages(store, "debian:test", nil, sandbox.Config{CPUs: 3}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		im.Close()
		goleak.VerifyNone(t)
	})
	return im
}

func TestImagesThatAreThere(t *testing.T) {
	store := newFakeStore()
	store.built = true
	got, err := testImages(t, store).Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := sandbox.Config{
		Image: "debian:test", Kernel: "k", Initramfs: "i",
		Root: sandbox.RootfsBlock{Path: "r", Format: "squashfs"}, CPUs: 3,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

// Whoever prepares desktops beforehand hears of the image as soon as it is there.
func TestImagesAreFollowed(t *testing.T) {
	store := newFakeStore()
	im := testImages(t, store)
	told := make(chan sandbox.Config, 10)
	im.follow(t.Context(), func(cfg sandbox.Config) { told <- cfg })
	if len(told) > 0 {
		t.Errorf("told of an image that is not there: %+v", <-told)
	}
	if _, err := im.Config(t.Context()); err == nil {
		t.Fatal("the image is there already")
	}
	close(store.steps)
	first := <-told
	for range 2 {
		cfg, err := im.Config(t.Context())
		if err != nil || !cfg.Equal(first) {
			t.Errorf("desktops boot %+v, %v; told of %+v", cfg, err, first)
		}
	}
	if len(told) > 0 {
		t.Errorf("told again: %+v", <-told)
	}
}

func TestImagesTellHowFarTheBuildIs(t *testing.T) {
	store := newFakeStore()
	im := testImages(t, store)

	var notReady *mcp.NotReadyError
	if _, err := im.Config(t.Context()); !errors.As(err, &notReady) || notReady.Phase != "start" {
		t.Fatalf("first call: %v, want that the build starts", err)
	}
	<-store.begun
	store.steps <- rootfs.Progress{Phase: rootfs.PhaseInstall, Done: 12, Total: 40, Detail: "xterm", Fraction: 0.25}
	store.steps <- rootfs.Progress{Phase: rootfs.PhaseInstall, Done: 13, Total: 40, Detail: "openbox", Fraction: 0.5}

	// The second step was taken, so the first one is there for all to see.
	_, err := im.Config(t.Context())
	if !errors.As(err, &notReady) {
		t.Fatalf("second call: %v, want that it is not ready", err)
	}
	if notReady.Phase != "install" || notReady.Done < 12 || notReady.Total != 40 {
		t.Errorf("told %+v", notReady)
	}
	close(store.steps)
	im.builds.Wait()
	if _, err := im.Config(t.Context()); err != nil {
		t.Errorf("once it is built: %v", err)
	}
	if store.builds != 1 {
		t.Errorf("%d builds, want one for all calls", store.builds)
	}
}

func TestImagesTryAgainAfterAFailure(t *testing.T) {
	store := newFakeStore()
	store.fail = errors.New("the mirror is away")
	im := testImages(t, store)

	_, err := im.Config(t.Context())
	var notReady *mcp.NotReadyError
	if !errors.As(err, &notReady) {
		t.Fatalf("first call: %v", err)
	}
	close(store.steps)
	im.builds.Wait()
	if _, err := im.Config(t.Context()); !errors.Is(err, store.fail) {
		t.Errorf("after the failure: %v, want to be told of it", err)
	}
	if _, err := im.Config(t.Context()); !errors.As(err, &notReady) {
		t.Errorf("after that: %v, want another build", err)
	}
}

func TestImagesCloseEndsABuild(t *testing.T) {
	store := newFakeStore()
	im := testImages(t, store)
	if _, err := im.Config(t.Context()); err == nil {
		t.Fatal("no error though there is no image")
	}
	<-store.begun
	im.Close()
	_, err := im.Config(t.Context())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the build ended with %v, want that it was cancelled", err)
	}
	if _, err := im.Config(t.Context()); err == nil || err.Error() != "the server is ending" {
		t.Errorf("after Close: %v, want that the server is ending", err)
	}
}

func TestScreenSize(t *testing.T) {
	tests := []struct {
		in   string
		want screenSize
		bad  bool
	}{
		{in: "1280x800", want: screenSize{1280, 800}},
		{in: "1280", bad: true},
		{in: "1280x", bad: true},
		{in: "1280x800x24", bad: true},
		{in: "0x800", bad: true},
		{in: "-1x5", bad: true},
		{in: "99999x5", bad: true},
		{in: "", bad: true},
	}
	for _, tt := range tests {
		var got screenSize
		err := got.UnmarshalText([]byte(tt.in))
		if (err != nil) != tt.bad || (!tt.bad && got != tt.want) {
			t.Errorf("%q: %v, %v", tt.in, got, err)
		}
	}
}

func TestSandboxFlagsConfig(t *testing.T) {
	got := sandboxFlags{CPUs: 1, Memory: 512, Scratch: 8192, Screen: screenSize{640, 480}, Sudo: false}.config()
	if !got.NoSudo || got.CPUs != 1 || got.MemoryMiB != 512 || got.ScratchMiB != 8192 || got.Screen.Width != 640 {
		t.Errorf("config %+v", got)
	}
}

func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"doctor", "--cache-dir", t.TempDir()}, nil, &out, &errs); code != exitFailed {
		t.Errorf("exit code %d, want %d; it said %s", code, exitFailed, &errs)
	}
}
