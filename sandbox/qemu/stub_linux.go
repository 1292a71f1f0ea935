package qemu

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

// stub is what is kept of a state that was stored: the memory that it shares with
// other machines, and where its own is in the file, with the hash of each span.
type stub struct {
	base *os.File
	over []span
	sums map[int64][sha256.Size]byte // of the spans, by their offsets
}

// Stub implements [sandbox.StubState].
func (s *state) Stub() (sandbox.Stub, error) {
	if s.changed == nil {
		return nil, nil
	}
	sums, err := sumSpans(s.changed, s.over)
	if err != nil {
		return nil, err
	}
	base, err := share(s.memory)
	if err != nil {
		return nil, err
	}
	return &stub{base: base, over: s.over, sums: sums}, nil
}

// sumSpans returns the hash of each span of a file, by its offset.
func sumSpans(f *os.File, spans []span) (map[int64][sha256.Size]byte, error) {
	var mu sync.Mutex
	sums := make(map[int64][sha256.Size]byte, len(spans))
	err := eachSpan(spans, func(at span, buf []byte) error {
		if _, err := f.ReadAt(buf[:at.n], at.offset); err != nil {
			return err
		}
		sum := sha256.Sum256(buf[:at.n])
		mu.Lock()
		defer mu.Unlock()
		sums[at.offset] = sum
		return nil
	})
	return sums, err
}

// Load implements [sandbox.Stub].
func (s *stub) Load(ctx context.Context, dir string) (sandbox.State, error) {
	loaded, err := load(ctx, dir, s)
	if err != nil {
		return nil, fmt.Errorf("load machine: %w", err)
	}
	return loaded, nil
}

// loadChanged returns what the file of a stored memory has over the one that is shared.
func (s *stub) loadChanged(name string, size int64) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	damaged := func(why string) error {
		return fmt.Errorf("%w: %s is damaged: %s", sandbox.ErrUnusable, filepath.Base(name), why)
	}
	var base unix.Stat_t
	if err := unix.Fstat(int(s.base.Fd()), &base); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if info.Size() != size || base.Size != size {
		return nil, damaged(fmt.Sprintf("it has %d bytes, not %d", info.Size(), base.Size))
	}
	changed, err := newMemory("guest memory", size)
	if err != nil {
		return nil, err
	}
	err = eachSpan(s.over, func(at span, buf []byte) error {
		if _, err := f.ReadAt(buf[:at.n], at.offset); err != nil && err != io.EOF {
			return err
		}
		if sha256.Sum256(buf[:at.n]) != s.sums[at.offset] {
			return damaged(fmt.Sprintf("its hash at %d is not what was stored", at.offset))
		}
		_, err := changed.WriteAt(buf[:at.n], at.offset)
		return err
	})
	if err == nil {
		err = seal(changed)
	}
	if err != nil {
		changed.Close()
		return nil, err
	}
	return changed, nil
}

// Close implements [sandbox.Stub].
func (s *stub) Close() error { return s.base.Close() }
