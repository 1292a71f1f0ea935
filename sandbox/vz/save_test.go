package vz

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

func TestSnapshot(t *testing.T) {
	hv := new(fakeHypervisor)
	b := newBackend(hv, "arm64", Options{})
	dir := t.TempDir()
	parent, err := sandbox.Start(t.Context(), b, imageConfig(t), sandbox.StartOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Stop()
	click(t, parent)
	saved := hv.last()
	snap, err := parent.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	click(t, parent) // its guest has dialled again

	for i := range 2 {
		s, err := sandbox.Resume(t.Context(), b, snap, sandbox.StartOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		click(t, s)
		v := hv.last()
		if v == saved || string(v.id) != string(saved.id) {
			t.Errorf("machine %d is identified as %q, want another one that is identified as %q", i, v.id, saved.id)
		}
		if boot, err := readBoot(v.spec.initramfs); err == nil {
			t.Errorf("machine %d could boot with the token of %+v", i, boot)
		}
	}

	stored := filepath.Join(t.TempDir(), "stored")
	if err := os.Mkdir(stored, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := snap.Store(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
	loaded, err := sandbox.LoadSnapshot(t.Context(), b, stored)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sandbox.Resume(t.Context(), b, loaded, sandbox.StartOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	click(t, s)
	s.Stop()
	if err := loaded.Close(); err != nil {
		t.Error(err)
	}
	if _, err := sandbox.LoadSnapshot(t.Context(), b, stored); err != nil {
		t.Errorf("what was stored went when it was closed: %v", err)
	}
	parent.Stop()
	if left, _ := filepath.Glob(filepath.Join(dir, "state-*")); len(left) > 0 {
		t.Errorf("left of the saved machine: %v", left)
	}
}

func TestSaveCalls(t *testing.T) {
	tests := []struct {
		failing string
		want    []string // calls of the framework
		err     string
	}{
		{"", []string{"pause", "save", "resume", "listen"}, ""},
		{"pause", []string{"pause", "listen"}, "save machine: pause: pause fails"},
		{"save", []string{"pause", "save", "resume", "listen"}, "save machine: save fails"},
		{"resume", []string{"pause", "save", "resume", "listen"}, "save machine: resume: resume fails"},
	}
	for _, tt := range tests {
		t.Run("failing "+tt.failing, func(t *testing.T) {
			hv := new(fakeHypervisor)
			s := bootFake(t, hv, imageConfig(t))
			hv.mu.Lock()
			hv.failing, hv.calls = tt.failing, nil
			hv.mu.Unlock()
			snap, err := s.Snapshot(t.Context())
			if tt.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				snap.Close()
			} else if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			hv.mu.Lock()
			defer hv.mu.Unlock()
			if diff := cmp.Diff(tt.want, hv.calls); diff != "" {
				t.Errorf("calls of the framework (-want +got):\n%s", diff)
			}
			hv.failing = ""
		})
	}
}

func TestSaveUnsupported(t *testing.T) {
	hv := &fakeHypervisor{unsaving: errors.Join(sandbox.ErrUnsupported, errors.New("this is Intel"))}
	s := bootFake(t, hv, imageConfig(t))
	if _, err := s.Snapshot(t.Context()); !errors.Is(err, sandbox.ErrUnsupported) || !strings.Contains(err.Error(), "this is Intel") {
		t.Errorf("Snapshot: %v, want an unsupported that says why", err)
	}
	click(t, s)
	b := newBackend(hv, "amd64", Options{})
	if _, err := b.Fingerprint(t.Context(), s.Config()); !errors.Is(err, sandbox.ErrUnsupported) {
		t.Errorf("Fingerprint: %v, want an unsupported", err)
	}
	if diff := cmp.Diff([]string{"create", "start", "listen"}, hv.calls); diff != "" {
		t.Errorf("calls of the framework (-want +got):\n%s", diff)
	}
}

func TestFingerprint(t *testing.T) {
	of := func(arch string, cfg sandbox.Config) string {
		print, err := newBackend(new(fakeHypervisor), arch, Options{}).Fingerprint(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return print
	}
	cfg := imageConfig(t)
	if a, b := of("arm64", cfg), of("arm64", cfg.WithDefaults()); a != b {
		t.Errorf("the same config has fingerprints %q and %q", a, b)
	}
	larger := cfg
	larger.MemoryMiB = 4096
	for name, other := range map[string]string{"memory": of("arm64", larger), "processor": of("amd64", cfg)} {
		if other == of("arm64", cfg) {
			t.Errorf("another %s has the same fingerprint", name)
		}
	}
}

// TestLoad damages what was stored, in every way that it is to notice.
func TestLoad(t *testing.T) {
	tests := []struct {
		name   string
		change func(dir string) error
		want   string
	}{
		{"whole", func(string) error { return nil }, ""},
		{"changed", func(dir string) error { return os.WriteFile(filepath.Join(dir, savedFile), []byte("Memory"), 0o600) }, "machine.vzsave is damaged"},
		{"cut off", func(dir string) error { return os.Truncate(filepath.Join(dir, savedFile), 3) }, "machine.vzsave is damaged"},
		{"gone", func(dir string) error { return os.Remove(filepath.Join(dir, savedFile)) }, "no such file"},
		{"record gone", func(dir string) error { return os.Remove(filepath.Join(dir, recordFile)) }, "no such file"},
		{"record changed", func(dir string) error {
			path := filepath.Join(dir, recordFile)
			data, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, append([]byte(" "), data...), 0o600)
			}
			return err
		}, "machine.json is damaged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from, dir := t.TempDir(), t.TempDir()
			if err := os.WriteFile(filepath.Join(from, savedFile), []byte("memory"), 0o600); err != nil {
				t.Fatal(err)
			}
			s := &state{dir: from, record: record{Format: stateFormat, CPUs: 2, MemoryMiB: 512, Identifier: []byte("id")}}
			if err := s.Store(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			if err := tt.change(dir); err != nil {
				t.Fatal(err)
			}
			got, err := load(t.Context(), dir)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got.SHA256 = ""
			if diff := cmp.Diff(s.record, got.record); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			if err := got.fits(sandbox.Config{CPUs: 2, MemoryMiB: 1024}); !errors.Is(err, sandbox.ErrInvalidConfig) {
				t.Errorf("a machine with more memory: %v, want an invalid config", err)
			}
		})
	}
	if _, err := new(Backend).Resume(t.Context(), sandbox.Config{}, desktop.Boot{}, nil, "", nil); !errors.Is(err, sandbox.ErrInvalidConfig) {
		t.Errorf("a state of another backend: %v, want an invalid config", err)
	}
}

func TestStoreGivenUp(t *testing.T) {
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, savedFile), []byte("memory"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if err := (&state{dir: from}).Store(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("Store: %v, want context.Canceled", err)
	}
	if _, err := load(t.Context(), dir); err == nil {
		t.Error("what was not stored whole can be loaded")
	}
}

// TestTurns has a second one wait for the first, or give up.
func TestTurns(t *testing.T) {
	turns := newTurns()
	give, err := turns.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("out of turn: %v, want context.Canceled", err)
	}
	give()
	give, err = turns.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	give()
}
