package qemu

import (
	"errors"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

// tinyDisk mounts a file system of a mebibyte.
func tinyDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounts a file system, which takes root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestStoreOntoAFullDisk(t *testing.T) {
	const memory = 4 // MiB
	noise := func(size int64) *os.File {
		f, err := newMemory("noise", size)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if _, err := io.CopyN(f, rand.New(rand.NewSource(1)), size); err != nil {
			t.Fatal(err)
		}
		return f
	}
	empty, err := newMemory("nothing", memory<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	disk := onDisk(t, nil)
	if _, err := io.CopyN(disk, rand.New(rand.NewSource(1)), 2<<20); err != nil {
		t.Fatal(err)
	}
	tests := map[string]*state{
		"memory":  {isolation: sandbox.IsolationEmulated, cpus: 1, memoryMiB: memory, memory: noise(memory << 20), devices: noise(1)},
		"devices": {isolation: sandbox.IsolationEmulated, cpus: 1, memoryMiB: memory, memory: empty, devices: noise(2 << 20)},
		"scratch": {isolation: sandbox.IsolationEmulated, cpus: 1, memoryMiB: memory, diskMiB: 8, memory: empty, devices: noise(1), scratch: disk},
	}
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(tinyDisk(t), "state")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := s.Store(t.Context(), dir); !errors.Is(err, sandbox.ErrDiskFull) {
				t.Errorf("Store: %v, want ErrDiskFull", err)
			}
		})
	}
}

// A copy of a scratch disk leaves room for what the machines that run write to theirs.
func TestScratchIsNotCopiedOntoAFullDisk(t *testing.T) {
	src := onDisk(t, map[int64][]byte{0: block('a')})
	t.Setenv("TMPDIR", tinyDisk(t))
	if f, err := copyScratch(t.Context(), src); !errors.Is(err, sandbox.ErrDiskFull) {
		if err == nil {
			f.Close()
		}
		t.Errorf("copyScratch: %v, want ErrDiskFull", err)
	}
}
