package qemu

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/vmette/vmette-mcp/sandbox"
)

// A state that was stored and is loaded by its stub is the same, and takes no more
// memory than before: what it shares is shared still, also once nobody else has it.
func TestStub(t *testing.T) {
	store := func(t *testing.T) (dir string, s *state, k sandbox.Stub, want []byte) {
		t.Helper()
		s, want = forked(t)
		s.isolation, s.cpus = sandbox.IsolationEmulated, 1
		s.devices = filled(t, []byte("devices"))
		dir = t.TempDir()
		if err := s.Store(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		k, err := s.Stub()
		if err != nil || k == nil {
			t.Fatalf("Stub: %v, %v", k, err)
		}
		t.Cleanup(func() {
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		})
		return dir, s, k, want
	}

	t.Run("loaded", func(t *testing.T) {
		dir, s, k, want := store(t)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := k.Load(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		loaded := got.(*state)
		f := filled(t, make([]byte, len(want)))
		if _, err := copyMemory(t.Context(), f, newLayers(loaded.memory, loaded.changed, loaded.over)); err != nil {
			t.Fatal(err)
		}
		if data, err := readAll(f); err != nil || !bytes.Equal(data, want) {
			t.Errorf("the memory is another one (%v)", err)
		}
		if size := loaded.Size(); size > 4*pageSize {
			t.Errorf("it takes %d bytes of its own, for one page and the devices", size)
		}
	})
	for name, damage := range map[string]func(path string) error{
		"byte of its own": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte{7}, 37*pageSize+5)
			return errors.Join(err, f.Close())
		},
		"cut off": func(path string) error { return os.Truncate(path, 30*pageSize) },
		"longer":  func(path string) error { return os.Truncate(path, 2<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, s, k, _ := store(t)
			defer s.Close()
			if err := damage(filepath.Join(dir, ramFile)); err != nil {
				t.Fatal(err)
			}
			if got, err := k.Load(t.Context(), dir); !errors.Is(err, sandbox.ErrUnusable) {
				t.Errorf("Load: %v, %v", got, err)
			}
		})
	}
	t.Run("nothing shared", func(t *testing.T) {
		s := &state{memoryMiB: 1, memory: filled(t, make([]byte, 1<<20))}
		if k, err := s.Stub(); k != nil || err != nil {
			t.Errorf("Stub: %v, %v", k, err)
		}
	})
}
