package sandboxtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

var _ sandbox.Snapshotter = (*Backend)(nil)

// Fingerprint returns "fake".
func (b *Backend) Fingerprint(context.Context, sandbox.Config) (string, error) { return "fake", nil }

// Resume starts a guest that takes itself for the one that was saved.
func (b *Backend) Resume(_ context.Context, _ sandbox.Config, boot desktop.Boot, s sandbox.State, _ string, onStep func(string)) (sandbox.Machine, error) {
	if b.StartErr != nil {
		return nil, b.StartErr
	}
	saved, ok := s.(*state)
	if ok && saved.closed.Load() {
		return nil, errFreed
	}
	if !ok || saved.Boot.Port != boot.Port {
		return nil, fmt.Errorf("%w: not a state of this guest", sandbox.ErrInvalidConfig)
	}
	if onStep != nil {
		onStep("resume fake guest")
	}
	return b.run(&Guest{Boot: saved.Boot, Note: saved.Note}, boot.Network), nil
}

// Save ends the guest's connections and returns what it is and remembers.
func (m *machine) Save(ctx context.Context) (sandbox.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return nil, errors.New("the machine has ended")
	}
	if m.backend.SaveErr != nil {
		return nil, m.backend.SaveErr
	}
	m.saved++
	for _, c := range m.conns {
		c.Close()
	}
	m.conns = nil
	return &state{Boot: m.guest.Boot, Note: m.guest.Note, backend: m.backend}, nil
}

// state is all that a guest of this backend is made of.
type state struct {
	Boot desktop.Boot `json:"boot"`
	Note string       `json:"note"`

	backend *Backend // of one that was not loaded
	closed  atomic.Bool
}

// Stub returns one for a state that was saved.
func (s *state) Stub() (sandbox.Stub, error) {
	if s.backend == nil {
		return nil, nil
	}
	s.backend.stubs.Add(1)
	return &stub{s.backend}, nil
}

type stub struct{ backend *Backend }

func (k *stub) Load(ctx context.Context, dir string) (sandbox.State, error) {
	k.backend.stubLoads.Add(1)
	return k.backend.Load(ctx, dir)
}

func (k *stub) Close() error {
	if k.backend.stubs.Add(-1) < 0 {
		return errors.New("a stub was closed twice")
	}
	return nil
}

// Stubs returns how many stubs of states are open, and how many states have been loaded
// by their stubs.
func (b *Backend) Stubs() (open, loads int) { return int(b.stubs.Load()), int(b.stubLoads.Load()) }

var errFreed = errors.New("the state was freed while it was in use")

// stateFile holds a state.
const stateFile = "state.json"

// Store writes the state.
func (s *state) Store(_ context.Context, dir string) error {
	if s.closed.Load() {
		return errFreed
	}
	return sandbox.WriteRecord(filepath.Join(dir, stateFile), s)
}

// Standstill returns 0.
func (s *state) Standstill() time.Duration { return 0 }

// Size returns 1.
func (s *state) Size() int64 { return 200 << 20 }

// Close has later uses fail.
func (s *state) Close() error {
	if s.closed.Swap(true) {
		return errors.New("the state was freed twice")
	}
	return nil
}

// Load reads a state.
func (b *Backend) Load(_ context.Context, dir string) (sandbox.State, error) {
	s := new(state)
	if err := sandbox.ReadRecord(filepath.Join(dir, stateFile), s); err != nil {
		return nil, err
	}
	return s, nil
}
