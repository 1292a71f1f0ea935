package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// pageSize is that of guest and host, amd64 both.
const pageSize = 4 << 10

// copySize is how much of a memory is copied at a time.
const copySize = 1 << 20

// newMemory returns a file in memory of size bytes. They are zero and take no
// memory until they are written to.
func newMemory(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make memory file for %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, fmt.Errorf("make memory file for %s: %w", name, err)
	}
	return f, nil
}

// seal makes a memory file what it is for ever. Nobody may have mapped it to
// write to it.
func seal(f *os.File) error {
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal %s: %w", f.Name(), err)
	}
	return nil
}

// share returns another descriptor of the same open file.
func share(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// reopen opens the same file anew, with an offset of its own.
func reopen(f *os.File, flag int) (*os.File, error) {
	return os.OpenFile(fdPath(int(f.Fd())), flag, 0)
}

// eachExtent calls do for each range of f that is not a hole, in pieces of at most
// copySize that begin at multiples of it or at the begin of a range.
func eachExtent(f *os.File, do func(offset, n int64) error) error {
	for offset := int64(0); ; {
		begin, err := unix.Seek(int(f.Fd()), offset, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // nothing but a hole is left
		}
		if err != nil {
			return fmt.Errorf("find data in %s: %w", f.Name(), err)
		}
		end, err := unix.Seek(int(f.Fd()), begin, unix.SEEK_HOLE)
		if err != nil {
			return fmt.Errorf("find hole in %s: %w", f.Name(), err)
		}
		for begin < end {
			n := min(end, begin/copySize*copySize+copySize) - begin
			if err := do(begin, n); err != nil {
				return err
			}
			begin += n
		}
		offset = end
	}
}

var zeroPage [pageSize]byte

// writePages writes those pages of b that are not zero, neighbours together.
func writePages(dst io.WriterAt, b []byte, offset int64) error {
	for begin := 0; begin < len(b); {
		end := begin
		for end < len(b) && !isZero(b[end:min(end+pageSize, len(b))]) {
			end = min(end+pageSize, len(b))
		}
		if begin == end {
			begin += pageSize
			continue
		}
		if _, err := dst.WriteAt(b[begin:end], offset+int64(begin)); err != nil {
			return fmt.Errorf("write memory: %w", err)
		}
		begin = end
	}
	return nil
}

func isZero(page []byte) bool { return bytes.Equal(page, zeroPage[:len(page)]) }
