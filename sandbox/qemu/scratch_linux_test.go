package qemu

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

// block returns 64 KiB of a letter.
func block(letter byte) []byte { return bytes.Repeat([]byte{letter}, 64<<10) }

// onDisk returns a scratch disk of 8 MiB with blocks at some of its megabytes.
func onDisk(t *testing.T, at map[int64][]byte) *os.File {
	t.Helper()
	f, err := newScratch(8 << 20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	write(t, f, at)
	return f
}

func write(t *testing.T, f *os.File, at map[int64][]byte) {
	t.Helper()
	for mib, b := range at {
		if _, err := f.WriteAt(b, mib<<20); err != nil {
			t.Fatal(err)
		}
	}
}

func sameDisk(t *testing.T, got, want *os.File) {
	t.Helper()
	g, err := readAll(got)
	if err != nil {
		t.Fatal(err)
	}
	w, err := readAll(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g, w) {
		t.Error("the copy is not what was copied")
	}
}

// A copy is what the disk is at the moment of its update, also where something was
// discarded since, and takes no more room than that.
func TestDiskCloneIsTheDisk(t *testing.T) {
	src := onDisk(t, map[int64][]byte{0: block('a'), 3: block('b'), 7: block('c')})
	c, err := newDiskClone(src)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameDisk(t, c.dst, src)
	write(t, src, map[int64][]byte{0: block('x')[:100], 5: block('d')})
	if err := unix.Fallocate(int(src.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 3<<20, 64<<10); err != nil {
		t.Fatal(err)
	}
	if err := c.update(t.Context()); err != nil {
		t.Fatal(err)
	}
	dst := c.take()
	defer dst.Close()
	sameDisk(t, dst, src)
	var st unix.Stat_t
	if err := unix.Fstat(int(dst.Fd()), &st); err != nil || st.Blocks*512 > 1<<20 {
		t.Errorf("a copy of 192 KiB takes %d bytes, %v", st.Blocks*512, err)
	}
	write(t, src, map[int64][]byte{5: block('e')})
	if b, err := readAll(dst); err != nil || !bytes.Equal(b[5<<20:5<<20+64<<10], block('d')) {
		t.Errorf("what is written to the disk later is in the copy as well (%v)", err)
	}
}

func TestDiskCloneIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src := onDisk(t, map[int64][]byte{0: block('a')})
	c, err := newDiskClone(src)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.copy(ctx); !c.shared && !errors.Is(err, context.Canceled) {
		t.Errorf("copy: %v, want context.Canceled", err)
	}
}

// A state's scratch disk is stored and loaded with it, and no damage to it goes
// unnoticed.
func TestScratchIsStored(t *testing.T) {
	dir := t.TempDir()
	s := &state{memoryMiB: 1, diskMiB: 8, devices: filled(t, []byte("devices")), memory: filled(t, make([]byte, 1<<20)), scratch: onDisk(t, map[int64][]byte{2: block('a')})}
	if err := s.Store(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	loaded, err := load(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	if loaded.diskMiB != 8 {
		t.Errorf("it has %d MiB, want 8", loaded.diskMiB)
	}
	sameDisk(t, loaded.scratch, s.scratch)
	f, err := os.OpenFile(filepath.Join(dir, diskFile), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write(t, f, map[int64][]byte{4: {1}})
	if damaged, err := load(t.Context(), dir, nil); !errors.Is(err, sandbox.ErrUnusable) {
		if err == nil {
			damaged.Close()
		}
		t.Errorf("load of what is damaged: %v, want ErrUnusable", err)
	}
}
