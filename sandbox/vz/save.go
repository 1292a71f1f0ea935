package vz

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/sandbox"
)

// turns has one at a time of what must not happen to two machines at once: when
// one machine is saved while another is saved or restored, the framework has been
// seen to restore broken ones.
type turns chan struct{}

func newTurns() turns { return make(turns, 1) }

// take returns when it is the caller's turn, which give ends.
func (t turns) take(ctx context.Context) (give func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// canSave returns an error that matches [sandbox.ErrSnapshotUnsupported] if no
// machine with cfg is saved, nor started from a saved one. The framework restores a
// machine only with the devices that it was saved with, a network card with its
// address; but what starts from a state has another address, or no card.
func canSave(cfg sandbox.Config) error {
	if cfg.Network.On() {
		return fmt.Errorf("%w: on macOS a desktop with a network cannot be saved, nor start from a saved one", sandbox.ErrSnapshotUnsupported)
	}
	return nil
}

// Save implements [sandbox.Saver]. The state lies in a file beside the machine's
// own directory until it is closed.
func (m *machine) Save(ctx context.Context) (sandbox.State, error) {
	if err := errors.Join(m.vm.savable(), canSave(m.cfg)); err != nil {
		return nil, err
	}
	m.saving.Lock()
	defer m.saving.Unlock()
	s, err := m.save(ctx)
	if err != nil {
		return nil, fmt.Errorf("save machine: %w", err)
	}
	return s, nil
}

// save is Save for one who holds saving.
func (m *machine) save(ctx context.Context) (_ *state, err error) {
	give, err := m.turns.take(ctx)
	if err != nil {
		return nil, err
	}
	defer give()
	if m.ctx.Err() != nil {
		return nil, errors.New("the machine has ended")
	}
	s := &state{own: true, record: record{
		Format:     stateFormat,
		CPUs:       m.cfg.CPUs,
		MemoryMiB:  m.cfg.MemoryMiB,
		Identifier: m.vm.identifier(),
	}}
	s.dir, err = os.MkdirTemp(filepath.Dir(m.dir), "state-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	// A connection does not outlive its host's end. The guest must know that
	// before it is saved: what is started from it could not be told.
	m.hangUp()
	if err := m.vm.pause(); err != nil {
		return nil, errors.Join(fmt.Errorf("pause: %w", err), m.listen(ctx))
	}
	err = m.vm.save(s.path())
	if resumeErr := m.vm.resume(); resumeErr != nil {
		err = errors.Join(err, fmt.Errorf("resume: %w", resumeErr))
	}
	return s, errors.Join(err, m.listen(ctx))
}
