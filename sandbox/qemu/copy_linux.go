package qemu

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// span is a part of a memory: whole pages, at most copySize bytes.
type span struct{ offset, n int64 }

// appendSpan appends s, to the last span if it follows that and the two are not too
// long for one.
func appendSpan(spans []span, s span) []span {
	if last := len(spans) - 1; last >= 0 && spans[last].offset+spans[last].n == s.offset && spans[last].n+s.n <= copySize {
		spans[last].n += s.n
		return spans
	}
	return append(spans, s)
}

// pages are those of a memory that are worth copying. It is safe for concurrent
// use.
type pages interface {
	spans() ([]span, error)
	read(b []byte, offset int64) error
}

// filePages are all of a file but its holes.
type filePages struct{ *os.File }

func (f filePages) spans() (spans []span, err error) {
	err = eachExtent(f.File, func(offset, n int64) error {
		spans = appendSpan(spans, span{offset, n})
		return nil
	})
	return spans, err
}

func (f filePages) read(b []byte, offset int64) error {
	_, err := f.ReadAt(b, offset)
	return err
}

// clone is a copy of a memory in the making. Most of it is copied while the guest
// still runs; what has changed since is all that is left for the moment at which
// it stands still.
type clone struct {
	file   *os.File
	mapped []byte
	src    pages
	filled []bool // by page: whether it was copied, so that the copy has memory for it
	copied []span // what the copy is of, since update; the rest of the file says nothing
}

// newClone returns a clone of src, a memory of size bytes. Either seal or close
// ends it.
func newClone(src pages, size int64) (*clone, error) {
	f, err := newMemory("guest memory", size)
	if err != nil {
		return nil, err
	}
	mapped, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		f.Close()
		return nil, os.NewSyscallError("mmap", err)
	}
	return &clone{file: f, mapped: mapped, src: src, filled: make([]bool, size/pageSize)}, nil
}

// How often copy looks again for pages that have come meanwhile, and how many bytes of
// them are few enough for the moment at which the guest stands still.
const (
	copyRounds = 5
	fewBytes   = 4 << 20
)

// copy copies the pages of the source as they are now, and those that come while it
// does, until these are few. It may be called again.
func (c *clone) copy() error {
	for range copyRounds {
		fresh, size, err := c.fresh()
		if err != nil {
			return err
		}
		err = eachSpan(fresh, func(s span, _ []byte) error {
			return c.src.read(c.mapped[s.offset:s.offset+s.n], s.offset)
		})
		if err != nil || size < fewBytes {
			return err
		}
	}
	return nil
}

// fresh returns the pages of the source that were not copied yet, and takes them for
// copied.
func (c *clone) fresh() (spans []span, size int64, err error) {
	all, err := c.src.spans()
	if err != nil {
		return nil, 0, err
	}
	for _, s := range all {
		for at := s.offset; at < s.offset+s.n; at += pageSize {
			if page := at / pageSize; !c.filled[page] {
				c.filled[page] = true
				spans = appendSpan(spans, span{at, pageSize})
				size += pageSize
			}
		}
	}
	return spans, size, nil
}

// update copies those that differ from what was copied before. To compare is
// several times faster than to copy into memory that is not there yet.
func (c *clone) update() (err error) {
	if c.copied, err = c.src.spans(); err != nil {
		return err
	}
	return eachSpan(c.copied, func(s span, buf []byte) error {
		now, was := buf[:s.n], c.mapped[s.offset:s.offset+s.n]
		if err := c.src.read(now, s.offset); err != nil {
			return err
		}
		for len(now) > 0 {
			if !bytes.Equal(now[:pageSize], was[:pageSize]) {
				copy(was, now[:pageSize])
			}
			now, was = now[pageSize:], was[pageSize:]
		}
		return nil
	})
}

// eachSpan calls do for each span, on all processors. buf has room for one.
func eachSpan(spans []span, do func(s span, buf []byte) error) error {
	errs := make([]error, runtime.GOMAXPROCS(0))
	var next atomic.Int64
	var workers sync.WaitGroup
	for w := range errs {
		workers.Go(func() {
			buf := make([]byte, copySize)
			for errs[w] == nil {
				i := next.Add(1) - 1
				if i >= int64(len(spans)) {
					return
				}
				errs[w] = do(spans[i], buf)
			}
		})
	}
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("copy guest memory: %w", err)
	}
	return nil
}

// seal returns the copy, which does not change any more.
func (c *clone) seal() (*os.File, error) {
	f := c.file
	c.file = nil
	err := unix.Munmap(c.mapped)
	c.mapped = nil
	if err == nil {
		err = seal(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// close gives up the copy, unless it is sealed.
func (c *clone) close() {
	if c.mapped != nil {
		_ = unix.Munmap(c.mapped) // it is what Mmap returned
	}
	if c.file != nil {
		c.file.Close()
	}
}
