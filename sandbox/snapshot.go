package sandbox

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/vmette/vmette-mcp/desktop"
)

// Snapshot is a sandbox as it was at one moment, from which others can be
// started. It never changes and is safe for concurrent use; [Snapshot.Close]
// frees it.
type Snapshot struct {
	cfg   Config
	boot  desktop.Boot // what the guest in it takes itself for
	state State
}

// Config returns that of the sandbox that was saved, with its defaults filled in.
func (s *Snapshot) Config() Config { return s.cfg }

// Close frees the memory that the snapshot holds. Sandboxes that were started
// from it go on.
func (s *Snapshot) Close() error { return s.state.Close() }

// Snapshot saves the sandbox, which stands still meanwhile and then goes on. Keys
// and buttons that are held down are released, and an action that is under way
// is lost: the caller sees to it that there is none. The error matches
// [ErrUnsupported] if this machine cannot be saved.
func (s *Session) Snapshot(ctx context.Context) (*Snapshot, error) {
	m, ok := s.machine.(Saver)
	if !ok {
		return nil, fmt.Errorf("%w: machines of this backend cannot be saved", ErrUnsupported)
	}
	state, err := m.Save(ctx)
	if err != nil {
		return nil, err
	}
	cfg := s.cfg
	cfg.Background = false // those that start from it are not wanted any less
	return &Snapshot{cfg: cfg, boot: s.boot, state: state}, nil
}

// Resume is like [Start] for a sandbox that goes on where snap was taken. It
// shares no secret with any other: before its first action its guest has another
// token, hostname and machine id, the time of now, and fresh randomness in its
// kernel. What programs in it had made of randomness before is in all that are
// started from snap.
func Resume(ctx context.Context, b Snapshotter, snap *Snapshot, opts StartOptions) (*Session, error) {
	s := newSession(snap.cfg, opts)
	s.boot.Port = snap.boot.Port // which the guest knows
	s.boot.Entropy = make([]byte, desktop.MaxEntropy)
	rand.Read(s.boot.Entropy)
	s.resume = &desktop.Resume{Token: snap.boot.Token, Boot: s.boot}
	err := s.start(ctx, opts, func(ctx context.Context, dir string, onStep func(string)) (Machine, error) {
		return b.Resume(ctx, s.cfg, s.boot, snap.state, dir, onStep)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}
