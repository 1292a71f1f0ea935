package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox/egress/dns"
)

// Snapshot is a sandbox as it was at one moment, from which others can be
// started. It never changes and is safe for concurrent use; [Snapshot.Close]
// frees it.
type Snapshot struct {
	cfg     Config
	boot    desktop.Boot // what the guest in it takes itself for: its port and its token, no more
	pins    []dns.Pin    // which addresses the guest may remember for which names
	common  bool         // most of its memory is that of a template
	state   *held
	closing sync.Once
}

// newSnapshot returns a snapshot that owns state.
func newSnapshot(cfg Config, boot desktop.Boot, pins []dns.Pin, state State) *Snapshot {
	return &Snapshot{cfg: cfg, boot: boot, pins: pins, state: &held{State: state, holders: 1}}
}

// share returns another snapshot of the same state, to be closed by itself.
func (s *Snapshot) share() (*Snapshot, error) {
	if err := s.state.hold(); err != nil {
		return nil, err
	}
	return &Snapshot{cfg: s.cfg, boot: s.boot, pins: s.pins, common: s.common, state: s.state}, nil
}

// connected returns the same snapshot with another network, for what is started from
// it. Nothing of a network is in the state.
func (s *Snapshot) connected(n Network) *Snapshot {
	cfg := s.cfg
	cfg.Network = n
	return &Snapshot{cfg: cfg, boot: s.boot, pins: s.pins, common: s.common, state: s.state}
}

// Config returns that of the sandbox that was saved, with its defaults filled in.
func (s *Snapshot) Config() Config { return s.cfg }

// Standstill returns how long the sandbox stood still to be saved: 0 when that is
// not known, as of a snapshot that was loaded.
func (s *Snapshot) Standstill() time.Duration {
	m, ok := s.state.State.(StateMeter)
	if !ok || s.state.hold() != nil {
		return 0
	}
	defer s.state.release()
	return m.Standstill()
}

// Size returns how much of the host's memory the snapshot takes, in bytes, apart
// from what it shares with others: 0 when that is not known.
func (s *Snapshot) Size() int64 {
	m, ok := s.state.State.(StateMeter)
	if !ok || s.state.hold() != nil {
		return 0
	}
	defer s.state.release()
	return m.Size()
}

// Close frees the memory that the snapshot holds, once nobody is about to start a
// sandbox from it or to store it any more. Sandboxes that were started from it go
// on. It may be called more than once.
func (s *Snapshot) Close() (err error) {
	s.closing.Do(func() { err = s.state.release() })
	return err
}

// saveWait is how long a save waits for the actions that are under way: those that
// come meanwhile wait as well.
const saveWait = 5 * time.Second

// Snapshot saves the sandbox, which stands still meanwhile and then goes on. It
// waits some seconds for the actions that are under way, and those that come wait
// for it. Keys and buttons that are held down are released. The error matches
// [ErrSnapshotUnsupported] if this machine cannot be saved, [ErrInUse] if an
// action was still under way then, and [ErrSaveFailed] if it could not now.
func (s *Session) Snapshot(ctx context.Context) (*Snapshot, error) {
	open, err := s.pause(ctx)
	if err != nil {
		return nil, fmt.Errorf("save sandbox: %w", err)
	}
	defer open()
	return s.save(ctx)
}

// pause waits for the actions that are under way, and keeps others out until open is
// called. The error matches ErrInUse when that takes too long.
func (s *Session) pause(ctx context.Context) (open func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, saveWait,
		fmt.Errorf("%w: an action on it takes longer than %v, and goes on: try again when it is done", ErrInUse, saveWait))
	defer cancel()
	return s.actions.shut(ctx)
}

// save is Snapshot for a caller who has shut the gate to the sandbox.
func (s *Session) save(ctx context.Context) (*Snapshot, error) {
	m, ok := s.machine.(Saver)
	if !ok {
		return nil, fmt.Errorf("%w: machines of this backend cannot be saved", ErrSnapshotUnsupported)
	}
	if err := s.cfg.saveable(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.end.Reason != "" {
		s.mu.Unlock()
		return nil, fmt.Errorf("%w: %s", ErrStopped, s.end)
	}
	s.parted = s.client
	changed := s.changed
	s.mu.Unlock()
	state, err := m.Save(ctx)
	if err != nil {
		s.mu.Lock()
		s.parted = nil // should it be lost from now on, that is news
		s.mu.Unlock()
		return nil, saveError(err)
	}
	if err := s.awaitAgent(ctx, changed); err != nil {
		return nil, errors.Join(err, state.Close())
	}
	cfg := s.Config()
	cfg.Background = false // those that start from it are not wanted any less
	var pins []dns.Pin
	if s.network != nil {
		pins = s.network.Pins()
	}
	snap := newSnapshot(cfg, desktop.Boot{Port: s.boot.Port, Token: s.boot.Token}, pins, state)
	snap.common = s.common
	return snap, nil
}

// saveError makes the error of a machine what [Session.Snapshot] promises.
func saveError(err error) error {
	if errors.Is(err, ErrUnsupported) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrSaveFailed, err)
}

// awaitAgent returns when the guest agent has connected anew, which closes changed.
func (s *Session) awaitAgent(ctx context.Context, changed <-chan struct{}) error {
	limit := time.NewTimer(agentGrace)
	defer limit.Stop()
	select {
	case <-changed:
		return nil
	case <-s.ctx.Done():
		return fmt.Errorf("save sandbox: %w", ErrStopped)
	case <-ctx.Done():
		return fmt.Errorf("wait for the guest agent of a sandbox that was saved: %w", context.Cause(ctx))
	case <-limit.C:
		return fmt.Errorf("%w: the guest agent of a sandbox that was saved has not come back within %v", ErrTimeout, agentGrace)
	}
}

// Resume is like [Start] for a sandbox that goes on where snap was taken; its
// error matches [ErrRestoreFailed] too. It
// shares no secret with any other: before its first action its guest has another
// token, hostname and machine id, the time of now, and fresh randomness in its
// kernel. What programs in it had made of randomness before is in all that are
// started from snap.
func Resume(ctx context.Context, b Snapshotter, snap *Snapshot, opts StartOptions) (*Session, error) {
	if err := snap.state.hold(); err != nil {
		return nil, fmt.Errorf("start from a saved sandbox: %w", err)
	}
	defer snap.state.release()
	s := newSession(snap.cfg, opts)
	s.pins, s.common = snap.pins, snap.common
	s.boot.Port = snap.boot.Port // which the guest knows
	s.boot.Authorities = nil     // the guest has them
	s.boot.Entropy = make([]byte, desktop.MaxEntropy)
	rand.Read(s.boot.Entropy)
	s.resume = &desktop.Resume{Token: snap.boot.Token, Boot: s.boot}
	err := s.start(ctx, opts, func(ctx context.Context, dir string, onStep func(string)) (Machine, error) {
		return b.Resume(ctx, s.cfg, s.boot, snap.state.State, dir, onStep)
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRestoreFailed, err)
	}
	return s, nil
}
