package vz

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

// TestDisks starts machines with a disk that somebody else may have.
func TestDisks(t *testing.T) {
	const inUse = "is in use"
	tests := []struct {
		name     string
		kind     fs.FileMode
		lock     int // of another user; 0 for none
		readOnly bool
		want     string // "" means that it is fine
	}{
		{"free, to write to", 0, 0, false, ""},
		{"free, to read", 0, 0, true, ""},
		{"read by others, to write to", 0, unix.LOCK_SH, false, inUse},
		{"read by others, to read", 0, unix.LOCK_SH, true, ""},
		{"written to by others, to write to", 0, unix.LOCK_EX, false, inUse},
		{"written to by others, to read", 0, unix.LOCK_EX, true, inUse},
		{"a directory", fs.ModeDir, 0, true, "is neither a file nor a block device"},
		{"a pipe", fs.ModeNamedPipe, 0, true, "is neither a file nor a block device"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			var err error
			switch tt.kind {
			case fs.ModeDir:
				err = os.Mkdir(path, 0o700)
			case fs.ModeNamedPipe:
				err = unix.Mkfifo(path, 0o600)
			default:
				err = os.WriteFile(path, make([]byte, 512), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.lock != 0 {
				defer lockDisk(t, path, tt.lock).Close()
			}
			cfg := imageConfig(t)
			cfg.Disks = []sandbox.BlockDisk{{Path: path, ReadOnly: tt.readOnly}}
			s, err := sandbox.Start(t.Context(), newBackend(new(fakeHypervisor), "arm64", Options{}), cfg, sandbox.StartOptions{Dir: t.TempDir()})
			if err == nil {
				defer s.Stop()
				// The framework finds nobody who has it.
				lockDisk(t, path, cmp.Or(tt.lock, unix.LOCK_EX)).Close()
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), "open disks: ") || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// lockDisk has a disk as somebody else would.
func lockDisk(t *testing.T, path string, lock int) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), lock|unix.LOCK_NB); err != nil {
		f.Close()
		t.Fatalf("lock %s: %v", path, err)
	}
	return f
}
