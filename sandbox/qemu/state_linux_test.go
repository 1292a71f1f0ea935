package qemu

import (
	"bytes"
	"os"
	"slices"
	"sync/atomic"
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
		f := filled(t, make([]byte, len(want)))
		if _, err := copyMemory(t.Context(), f, newLayers(s.memory, s.changed, s.over)); err != nil {
			t.Fatal(err)
		}
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

// Where a guest has emptied pages, or written beyond what was in use before, is to be
// seen in the digest as well.
func TestLayersAreOneMemory(t *testing.T) {
	const size = 4 * copySize
	base, upper, want := make([]byte, size), make([]byte, size), make([]byte, size)
	copy(base, bytes.Repeat([]byte{1}, copySize))
	over := []span{{3 * pageSize, pageSize}, {copySize - pageSize, 2 * pageSize}, {3*copySize + pageSize, pageSize}}
	copy(want, base)
	for i, s := range over {
		for at := s.offset; at < s.offset+s.n; at++ {
			upper[at] = byte(2 * i) // the first one is empty now
			want[at] = upper[at]
		}
	}
	layered := newLayers(filled(t, base), filled(t, upper), over)
	numbers, err := layered.pieces()
	if err != nil || !slices.IsSorted(numbers) || len(slices.Compact(slices.Clone(numbers))) != len(numbers) {
		t.Errorf("pieces %v, %v", numbers, err)
	}
	f := filled(t, nil)
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	got, err := copyMemory(t.Context(), f, layered)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := readAll(f); err != nil || !bytes.Equal(data, want) {
		t.Errorf("the copy is another memory (%v)", err)
	}
	flat, err := copyMemory(t.Context(), filled(t, make([]byte, size)), newLayers(filled(t, want), nil, nil))
	if err != nil || got != flat {
		t.Errorf("the digest is %s, that of the same memory in one layer %s, %v", got, flat, err)
	}
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

// busy is a memory of which more is written to each time that somebody looks.
type busy struct {
	sizes []int64 // of what was written to, then; the last for ever
	looks int
	bytes atomic.Int64 // read
}

func (b *busy) spans() ([]span, error) {
	size := b.sizes[min(b.looks, len(b.sizes)-1)]
	b.looks++
	return []span{{0, size}}, nil
}

func (b *busy) read(buf []byte, _ int64) error {
	b.bytes.Add(int64(len(buf)))
	return nil
}

// What a busy guest writes while it is copied is copied as well, nothing of it twice,
// but not for ever.
func TestCloneFollowsABusyGuest(t *testing.T) {
	for _, tt := range []struct {
		name      string
		mib       []int64
		wantLooks int
	}{
		{"few pages", []int64{1, 30}, 1},
		{"no more pages", []int64{30}, 2},
		{"ever fewer", []int64{30, 45, 46, 60}, 3},
		{"ever more", []int64{10, 20, 30, 40, 50, 60, 70}, copyRounds},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := new(busy)
			for _, n := range tt.mib {
				src.sizes = append(src.sizes, n<<20)
			}
			c, err := newClone(src, 64<<20)
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			if err := c.copy(); err != nil {
				t.Fatal(err)
			}
			want := src.sizes[min(tt.wantLooks, len(src.sizes))-1]
			if got := src.bytes.Load(); src.looks != tt.wantLooks || got != want {
				t.Errorf("it looked %d times and read %d MiB, want %d and %d", src.looks, got>>20, tt.wantLooks, want>>20)
			}
		})
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
