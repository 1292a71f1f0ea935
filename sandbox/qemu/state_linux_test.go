package qemu

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// forked returns the state of a guest of 1 MiB that has one page of its own over a
// memory full of ones, and what its memory is to look like. The file of its own
// pages is dense: zeros stand around that page where others would have a hole.
func forked(t *testing.T) (s *state, want []byte) {
	t.Helper()
	const size = 1 << 20
	own := span{offset: 37 * pageSize, n: pageSize}
	changed := make([]byte, size)
	want = bytes.Repeat([]byte{1}, size)
	for i := own.offset; i < own.offset+own.n; i++ {
		changed[i], want[i] = 2, 2
	}
	s = &state{memoryMiB: 1, memory: filled(t, bytes.Repeat([]byte{1}, size)), changed: filled(t, changed), over: []span{own}}
	return s, want
}

func filled(t *testing.T, data []byte) *os.File {
	t.Helper()
	f, err := newMemory("test", int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestZerosAroundAPageAreNotOfTheGuest(t *testing.T) {
	t.Run("stored", func(t *testing.T) {
		s, want := forked(t)
		f, err := s.flat()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := readAll(f); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the memory is another one (%v)", err)
		}
	})
	t.Run("started", func(t *testing.T) {
		s, want := forked(t)
		mapped := mapPrivate(t, s.memory, len(want))
		own, err := newPrivatePages(os.Getpid(), s.memory)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.applyChanges(own); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(mapped, want) {
			t.Error("the memory is another one")
		}
	})
}

// What a clone says that it is a copy of are the pages that the process has written
// to, whatever the file of the copy looks like.
func TestCloneKnowsWhatItIsOf(t *testing.T) {
	f := filled(t, make([]byte, 1<<20))
	mapped := mapPrivate(t, f, 1<<20)
	own, err := newPrivatePages(os.Getpid(), f)
	if err != nil {
		t.Fatal(err)
	}
	mapped[5*pageSize] = 5
	c, err := newClone(own, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.copy(); err != nil {
		t.Fatal(err)
	}
	mapped[9*pageSize] = 9
	if err := c.update(); err != nil {
		t.Fatal(err)
	}
	if want := []span{{5 * pageSize, pageSize}, {9 * pageSize, pageSize}}; len(c.copied) != 2 || c.copied[0] != want[0] || c.copied[1] != want[1] {
		t.Errorf("it is a copy of %v, want %v", c.copied, want)
	}
	if c.mapped[5*pageSize] != 5 || c.mapped[9*pageSize] != 9 {
		t.Error("the copy is not what was written")
	}
}

func mapPrivate(t *testing.T, f *os.File, size int) []byte {
	t.Helper()
	mapped, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(mapped); err != nil {
			t.Error(err)
		}
	})
	return mapped
}
