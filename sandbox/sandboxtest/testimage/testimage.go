// Package testimage gives tests an image to boot: one of the user's image store, with the guest agent built from this tree or with any
// other program in its place.
//
//	s, err := sandbox.Start(ctx, backend, testimage.Minimal(t), sandbox.StartOptions{})
//
// A test that needs the image and does not find it fails and says how to get
// it; it is never skipped.
package testimage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox"
)

const module = "github.com/vmette/vmette-mcp/"

// agent is the guest agent of this tree, built once for each test binary.
var agent = sync.OnceValues(func() ([]byte, error) { return build(module + "guest/desktop-agent") })

// Minimal returns a config that boots the minimal image with the guest agent
// of this tree.
func Minimal(tb testing.TB) sandbox.Config {
	tb.Helper()
	binary, err := agent()
	if err != nil {
		tb.Fatal(err)
	}
	return config(tb, rootfs.MinimalSpec, open(tb, storeDir()), binary)
}

// Oracles returns a config that boots the default desktop with the toolkits
// that internal/oracle needs, and the guest agent of this tree.
func Oracles(tb testing.TB) sandbox.Config {
	tb.Helper()
	binary, err := agent()
	if err != nil {
		tb.Fatal(err)
	}
	return config(tb, rootfs.OraclesSpec, open(tb, storeDir()), binary)
}

// WithInit returns a config that boots the minimal image with the program of
// pkg, a package path below this module's, as the first process of its
// initramfs.
func WithInit(tb testing.TB, pkg string) sandbox.Config {
	tb.Helper()
	binary, err := build(module + pkg)
	if err != nil {
		tb.Fatal(err)
	}
	return config(tb, rootfs.MinimalSpec, open(tb, tb.TempDir()), binary)
}

// config returns a config that boots the image of spec with init; store is where
// the initramfs is kept.
func config(tb testing.TB, spec string, store *rootfs.Store, init []byte) sandbox.Config {
	tb.Helper()
	image, err := open(tb, storeDir()).Get(tb.Context(), spec)
	if err != nil {
		tb.Fatalf("this test boots the image %s: %v; make it with: make test, or vmette-mcp rootfs build %[1]s", spec, err)
	}
	initramfs, err := store.Initramfs(image, init)
	if err != nil {
		tb.Fatal(err)
	}
	return sandbox.Config{
		Image:     image.Name,
		Kernel:    image.Kernel,
		Initramfs: initramfs,
		Root:      sandbox.RootfsBlock{Path: image.Root, Format: image.RootFormat},
	}
}

// storeDir returns the directory of the image store, as the command does.
func storeDir() string { return os.Getenv("VMETTE_CACHE_DIR") }

func open(tb testing.TB, dir string) *rootfs.Store {
	tb.Helper()
	store, err := rootfs.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// build returns the static executable of a package.
func build(pkg string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "vmette-testimage-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "out")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w\n%s", pkg, err, said)
	}
	return os.ReadFile(out)
}
