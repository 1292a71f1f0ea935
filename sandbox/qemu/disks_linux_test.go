package qemu

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

func TestOpenDisk(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	if err := os.WriteFile(image, make([]byte, 512), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write, read := sandbox.BlockDisk{Path: image}, sandbox.BlockDisk{Path: image, ReadOnly: true}
	tests := []struct {
		name string
		held []sandbox.BlockDisk // by other sandboxes
		disk sandbox.BlockDisk
		want string // the error
	}{
		{"alone", nil, write, ""},
		{"read by several", []sandbox.BlockDisk{read, read}, read, ""},
		{"written by another", []sandbox.BlockDisk{write}, read, "in use"},
		{"to be written, and read by another", []sandbox.BlockDisk{read}, write, "in use"},
		{"a pipe", nil, sandbox.BlockDisk{Path: pipe}, "neither a file nor a block device"},
		{"a directory", nil, sandbox.BlockDisk{Path: dir, ReadOnly: true}, "neither a file nor a block device"},
		{"a character device", nil, sandbox.BlockDisk{Path: "/dev/zero"}, "neither a file nor a block device"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, d := range tt.held {
				f, _, err := openDisk(d)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
			}
			f, block, err := openDisk(tt.disk)
			if err == nil {
				defer f.Close()
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || block {
				t.Errorf("block device: %v, error %v, want %q", block, err, tt.want)
			}
		})
	}
}

// TestScratch checks that a scratch disk is one, is nowhere to be found, and costs
// nothing before it is written to.
func TestScratch(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	const size = 8 << 30
	f, err := makeScratch(t.Context(), size)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("files %v are left, %v", left, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if used := st.Blocks * 512; st.Size != size || used > 16<<20 {
		t.Errorf("a disk of %d bytes takes %d", st.Size, used)
	}
	// The superblock begins at 1024, its magic number 0x38 later; see ext4(5) and
	// Documentation/filesystems/ext4/super.rst.
	magic := make([]byte, 2)
	if _, err := f.ReadAt(magic, 1024+0x38); err != nil || string(magic) != "\x53\xef" {
		t.Errorf("there is no ext4: %x, %v", magic, err)
	}
	t.Run("no room for it", func(t *testing.T) {
		t.Setenv("TMPDIR", filepath.Join(dir, "nowhere"))
		if _, err := makeScratch(t.Context(), size); !errors.Is(err, sandbox.ErrIO) {
			t.Errorf("got %v, want ErrIO", err)
		}
	})
}
