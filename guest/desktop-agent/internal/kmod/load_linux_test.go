package kmod

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

// initramfs returns a directory with these files.
func initramfs(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestList(t *testing.T) {
	root := initramfs(t, map[string]string{desktop.DriversFile: "erofs: lib/modules/erofs.ko\nvirtio_net: lib/modules/failover.ko lib/modules/virtio_net.ko\n"})
	got, err := list(root, "virtio_net")
	if diff := cmp.Diff([]string{"lib/modules/failover.ko", "lib/modules/virtio_net.ko"}, got); diff != "" || err != nil {
		t.Errorf("%v, files (-want +got):\n%s", err, diff)
	}
	for root, name := range map[string]string{root: "virtio", t.TempDir(): "erofs"} {
		if got, err := list(root, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("files of %s: %q, %v; want none", name, got, err)
		}
	}
}

func TestLoadMissesWhatNobodyHas(t *testing.T) {
	if err := Load(t.TempDir(), "nosuchdriver"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that there is no such driver", err)
	}
}

func TestKeep(t *testing.T) {
	root := initramfs(t, map[string]string{
		desktop.DriversFile: "erofs: erofs.ko\nvirtio_net: lib/failover.ko lib/virtio_net.ko\n",
		"erofs.ko":          "e", "lib/failover.ko": "f", "lib/virtio_net.ko": "n",
	})
	dir := filepath.Join(t.TempDir(), "kept")
	for _, name := range []string{"virtio_net", "nosuchdriver"} {
		if err := Keep(root, dir, name); err != nil {
			t.Error(err)
		}
	}
	files, err := list(dir, "virtio_net")
	if err != nil || len(files) != 2 {
		t.Fatalf("files %q, %v", files, err)
	}
	for i, want := range []string{"f", "n"} {
		if got, err := os.ReadFile(filepath.Join(dir, files[i])); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v; want %q", files[i], got, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "erofs.ko")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what nobody asked for is kept: %v", err)
	}
}

func TestKnown(t *testing.T) {
	root := initramfs(t, map[string]string{
		"proc/filesystems":             "nodev\ttmpfs\n\text4\n",
		"sys/module/virtio_net/uevent": "",
	})
	for name, want := range map[string]bool{"virtio_net": true, "ext4": true, "tmpfs": true, "ext": false, "nodev": false, "erofs": false} {
		if got := known(root, name); got != want {
			t.Errorf("known(%s) = %v", name, got)
		}
	}
}
