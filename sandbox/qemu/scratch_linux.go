package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

// newScratch returns an empty file of size bytes on the disk. It has no name, takes only
// the room of what is written to it, and goes with the last process that has it open.
func newScratch(size int64) (*os.File, error) {
	dir := os.Getenv("TMPDIR")
	if dir == "" {
		dir = "/var/tmp" // on a disk, where /tmp may be memory
	}
	f, err := os.CreateTemp(dir, "vmette-scratch-")
	if err != nil {
		return nil, fmt.Errorf("%w: make scratch disk: %w", sandbox.ErrIO, err)
	}
	if err := errors.Join(os.Remove(f.Name()), f.Truncate(size)); err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: make scratch disk: %w", sandbox.ErrIO, err)
	}
	return f, nil
}

// copyScratch returns a copy of a scratch disk that nobody writes to.
func copyScratch(ctx context.Context, src *os.File) (*os.File, error) {
	c, err := newDiskClone(src)
	if err == nil {
		err = c.copy(ctx)
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("copy scratch disk: %w", err)
	}
	return c.take(), nil
}

// diskClone is a copy of a scratch disk in the making, as [clone] is one of a memory:
// where the file system can share what two files have in common, that is all that
// there is to it. The nil clone is that of no disk.
type diskClone struct {
	src, dst *os.File
	shared   bool // by the file system
}

// newDiskClone returns a clone of src, which is nil for none. Either take or close ends
// it.
func newDiskClone(src *os.File) (*diskClone, error) {
	if src == nil {
		return nil, nil
	}
	info, err := src.Stat()
	if err != nil {
		return nil, err
	}
	dst, err := newScratch(info.Size())
	if err != nil {
		return nil, err
	}
	return &diskClone{src: src, dst: dst}, nil
}

// copy copies the disk as it is now, if it has room to.
func (c *diskClone) copy(ctx context.Context) error {
	if c == nil {
		return nil
	}
	if c.share() == nil {
		c.shared = true
		return nil
	}
	if err := c.spare(); err != nil {
		return err
	}
	return c.each(ctx, func(b []byte, offset int64) error {
		_, err := c.dst.WriteAt(b, offset)
		return err
	})
}

// update copies what differs from what was copied before.
func (c *diskClone) update(ctx context.Context) error {
	if c == nil {
		return nil
	}
	if c.shared {
		return c.share()
	}
	if err := c.punchHoles(); err != nil {
		return err
	}
	was := make([]byte, copySize)
	return c.each(ctx, func(b []byte, offset int64) error {
		was := was[:len(b)]
		if _, err := c.dst.ReadAt(was, offset); err != nil || bytes.Equal(b, was) {
			return err
		}
		_, err := c.dst.WriteAt(b, offset)
		return err
	})
}

// share has the file system make dst what src is.
func (c *diskClone) share() error { return unix.IoctlFileClone(int(c.dst.Fd()), int(c.src.Fd())) }

// spare reports an error that matches [sandbox.ErrDiskFull] unless the copy leaves room
// on the disk for what the machines that run write.
func (c *diskClone) spare() error {
	var src unix.Stat_t
	if err := unix.Fstat(int(c.src.Fd()), &src); err != nil {
		return err
	}
	var disk unix.Statfs_t
	if err := unix.Fstatfs(int(c.dst.Fd()), &disk); err != nil {
		return err
	}
	need := src.Blocks*512>>20 + sandbox.DefaultDiskReserveMiB
	if free := int64(disk.Bavail*uint64(disk.Bsize)) >> 20; free < need {
		return fmt.Errorf("%w for a copy of the scratch disk: %d MiB is free, and it takes %d, of which %d must stay free: free some of it, or drop checkpoints",
			sandbox.ErrDiskFull, free, need, sandbox.DefaultDiskReserveMiB)
	}
	return nil
}

// each calls do for each part of src that is not a hole.
func (c *diskClone) each(ctx context.Context, do func(b []byte, offset int64) error) error {
	buf := make([]byte, copySize)
	return eachExtent(c.src, func(offset, n int64) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := c.src.ReadAt(buf[:n], offset); err != nil {
			return err
		}
		return do(buf[:n], offset)
	})
}

// punchHoles frees what dst has where src has nothing any more, as the guest has
// discarded it.
func (c *diskClone) punchHoles() error {
	info, err := c.src.Stat()
	if err != nil {
		return err
	}
	end := int64(0)
	punch := func(to int64) error {
		if end >= to {
			return nil
		}
		return unix.Fallocate(int(c.dst.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, end, to-end)
	}
	err = eachExtent(c.src, func(offset, n int64) error {
		err := punch(offset)
		end = offset + n
		return err
	})
	return errors.Join(err, punch(info.Size()))
}

// take returns the copy, which is the caller's.
func (c *diskClone) take() *os.File {
	if c == nil {
		return nil
	}
	dst := c.dst
	c.dst = nil
	return dst
}

// close gives up the copy, unless it was taken.
func (c *diskClone) close() {
	if c != nil && c.dst != nil {
		c.dst.Close()
	}
}
