package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

// openDisks opens the machine's own disks, the scratch disk after the others: an empty
// one, or what the state has.
func (m *machine) openDisks(ctx context.Context) error {
	for _, d := range m.cfg.Disks {
		f, block, err := openDisk(d)
		if err != nil {
			return fmt.Errorf("%w: %w", sandbox.ErrIO, err)
		}
		m.cmd.disks = append(m.cmd.disks, disk{fd: m.files.add(f), readOnly: d.ReadOnly, device: block})
	}
	if m.cfg.ScratchMiB == 0 {
		return nil
	}
	f, err := m.openScratch(ctx)
	if err != nil {
		return err
	}
	m.cmd.disks = append(m.cmd.disks, disk{fd: m.files.add(f), scratch: true})
	m.scratch, err = share(f) // QEMU has the other one
	return err
}

func (m *machine) openScratch(ctx context.Context) (*os.File, error) {
	if m.state != nil {
		return copyScratch(ctx, m.state.scratch)
	}
	return makeScratch(ctx, int64(m.cfg.ScratchMiB)<<20)
}

func (m *machine) closeDisks() {
	m.files.close()
	if m.scratch != nil {
		m.scratch.Close()
	}
}

// openDisk opens a disk, which nobody else may have as long as somebody writes to it.
// The lock is the open file's, and so QEMU's as well, however this process ends.
func openDisk(d sandbox.BlockDisk) (f *os.File, block bool, err error) {
	flags, lock := os.O_RDWR, unix.LOCK_EX
	if d.ReadOnly {
		flags, lock = os.O_RDONLY, unix.LOCK_SH
	}
	// To open a pipe would wait for its other end.
	f, err = os.OpenFile(d.Path, flags|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	fi, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	block = fi.Mode()&(os.ModeDevice|os.ModeCharDevice) == os.ModeDevice
	if !block && !fi.Mode().IsRegular() {
		return nil, false, fmt.Errorf("disk %s is neither a file nor a block device", d.Path)
	}
	switch err := unix.Flock(int(f.Fd()), lock|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, false, fmt.Errorf("disk %s is in use, and one of its users writes to it", d.Path)
	case err != nil:
		return nil, false, fmt.Errorf("lock disk %s: %w", d.Path, err)
	}
	return f, block, nil
}

// makeScratch returns a disk with an empty ext4 file system. There is no journal:
// nobody will mount it again.
func makeScratch(ctx context.Context, size int64) (_ *os.File, err error) {
	f, err := newScratch(size)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	mkfs, err := findMkfs()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, mkfs, "-q", "-F", "-m", "0", "-I", "256", "-O", scratchFeatures, "-E", "lazy_itable_init=1,nodiscard,root_owner=0:0", fdPath(firstFD))
	cmd.ExtraFiles = []*os.File{f}
	cmd.Env = []string{"MKE2FS_CONFIG=" + os.DevNull}
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: make file system of scratch disk: %w: %s", sandbox.ErrIO, err, strings.TrimSpace(string(said)))
	}
	return f, nil
}

// scratchFeatures are those of the file system, whatever the host's mke2fs.conf
// says: uninit_bg leaves tables unwritten that nobody has used yet.
const scratchFeatures = "none,extent,64bit,flex_bg,uninit_bg,sparse_super,large_file,huge_file,dir_nlink,filetype,dir_index,extra_isize,ext_attr"

// findMkfs returns the path of mkfs.ext4, which is not in every user's PATH.
func findMkfs() (string, error) {
	const name = "mkfs.ext4"
	if file, err := exec.LookPath(name); err == nil {
		return file, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if file := filepath.Join(dir, name); unix.Access(file, unix.X_OK) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("%w: a scratch disk takes %s: apt-get install e2fsprogs", sandbox.ErrUnsupported, name)
}
