package sandboxtest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
	saved, ok := s.(state)
	if !ok || saved.Port != boot.Port {
		return nil, fmt.Errorf("%w: not a state of this guest", sandbox.ErrInvalidConfig)
	}
	if onStep != nil {
		onStep("resume fake guest")
	}
	return b.run(desktop.Boot(saved)), nil
}

// Save ends the guest's connections and returns what it takes itself for.
func (m *machine) Save(ctx context.Context) (sandbox.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return nil, errors.New("the machine has ended")
	}
	m.saved++
	for _, c := range m.conns {
		c.Close()
	}
	m.conns = nil
	return state(m.guest.Boot), nil
}

// state is all that a guest of this backend is made of.
type state desktop.Boot

// stateFile holds a state and its hash.
const stateFile = "state.json"

type storedState struct {
	Boot desktop.Boot      `json:"boot"`
	Sum  [sha256.Size]byte `json:"sum"`
}

func (s state) sum() [sha256.Size]byte {
	data, err := json.Marshal(desktop.Boot(s))
	if err != nil {
		panic(err) // it was decoded from JSON, or made of what can be encoded
	}
	return sha256.Sum256(data)
}

// Store writes the state.
func (s state) Store(_ context.Context, dir string) error {
	data, err := json.Marshal(storedState{desktop.Boot(s), s.sum()})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, stateFile), data, 0o600)
}

// Close does nothing.
func (s state) Close() error { return nil }

// Load reads a state.
func (b *Backend) Load(_ context.Context, dir string) (sandbox.State, error) {
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	var stored storedState
	if err := json.Unmarshal(data, &stored); err != nil {
		return nil, fmt.Errorf("decode state: %w", err)
	}
	if s := state(stored.Boot); s.sum() == stored.Sum {
		return s, nil
	}
	return nil, errors.New("state is damaged")
}
