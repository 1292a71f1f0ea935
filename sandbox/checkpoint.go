package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// DefaultCheckpoints is how many checkpoints one sandbox has at most.
const DefaultCheckpoints = 8

// Errors of checkpoints that a caller may match with errors.Is.
var (
	ErrNoCheckpoint       = errors.New("no such checkpoint")
	ErrTooManyCheckpoints = errors.New("too many checkpoints")
)

// CheckpointInfo describes a saved state of one sandbox.
type CheckpointInfo struct {
	ID         string        `json:"checkpoint_id"` // of use only together with the sandbox's
	Name       string        `json:"name,omitempty"`
	Note       string        `json:"note,omitempty"`
	Automatic  bool          `json:"automatic,omitempty"`
	Created    time.Time     `json:"created"`
	Bytes      int64         `json:"bytes"`         // of the host's memory
	Standstill time.Duration `json:"standstill_ns"` // of the sandbox, to be saved
}

// checkpoint is a saved state that a sandbox can be rolled back to.
type checkpoint struct {
	info CheckpointInfo
	snap *Snapshot
	used bool // for a rollback that is under way, so that it does not make way
}

// CheckpointOptions say what a checkpoint is called.
type CheckpointOptions struct {
	Name      string // for people, and for Rollback; may be ""
	Note      string
	Automatic bool // it makes way for others when there are too many
}

// Checkpoint saves owner's sandbox as it is now, memory and disk, so that it can
// be rolled back to that. See [Session.Snapshot] for what it does to the sandbox.
// With as many checkpoints as there may be, the oldest automatic one goes; if there
// is none, the error matches [ErrTooManyCheckpoints]. Checkpoints end with their sandbox.
func (m *Manager) Checkpoint(ctx context.Context, owner, id string, opts CheckpointOptions) (CheckpointInfo, error) {
	var info CheckpointInfo
	err := m.exclusively(ctx, owner, id, func(ctx context.Context, e *entry) error {
		if err := m.roomForCheckpoint(e); err != nil {
			return fmt.Errorf("make checkpoint: %w", err)
		}
		snap, err := m.save(ctx, e)
		if err != nil {
			return fmt.Errorf("make checkpoint: %w", err)
		}
		c := &checkpoint{snap: snap, info: CheckpointInfo{
			Name:       opts.Name,
			Note:       opts.Note,
			Automatic:  opts.Automatic,
			Created:    time.Now(),
			Bytes:      snap.Size(),
			Standstill: snap.Standstill(),
		}}
		gone, err := m.addCheckpoint(e, c)
		if gone != nil {
			gone.Close()
		}
		info = c.info
		return err
	})
	return info, err
}

// addCheckpoint adds a checkpoint to e's. What it returns is to be closed: the snapshot
// in whose place it is, or its own when e has ended.
func (m *Manager) addCheckpoint(e *entry, c *checkpoint) (gone *Snapshot, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.closed {
		return c.snap, fmt.Errorf("make checkpoint: %w", ErrStopped)
	}
	if len(e.checkpoints) >= m.cfg.Checkpoints {
		gone = e.take(e.oldestAutomatic())
	}
	e.made++
	c.info.ID = strconv.Itoa(e.made)
	e.checkpoints = append(e.checkpoints, c)
	return gone, nil
}

// roomForCheckpoint reports why e can have no more checkpoints: none that it has
// would make way for another.
func (m *Manager) roomForCheckpoint(e *entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(e.checkpoints) < m.cfg.Checkpoints || e.oldestAutomatic() >= 0 {
		return nil
	}
	return fmt.Errorf("%w: this desktop has %d, as many as it may have: drop one first", ErrTooManyCheckpoints, len(e.checkpoints))
}

// dropAutomatic frees the oldest automatic checkpoint of all sandboxes, for whom so many
// MiB of memory are missing. It reports false when all of them together have less.
func (m *Manager) dropAutomatic(missing int) bool {
	snap := m.takeAutomatic(missing)
	if snap == nil {
		return false
	}
	snap.Close()
	return true
}

func (m *Manager) takeAutomatic(missing int) *Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	var oldest *entry
	var at int
	var all int64
	for _, e := range m.live {
		for i, c := range e.checkpoints {
			if !c.info.Automatic || c.used {
				continue
			}
			all += c.info.Bytes
			if oldest == nil || c.info.Created.Before(oldest.checkpoints[at].info.Created) {
				oldest, at = e, i
			}
		}
	}
	if oldest == nil || all>>20 < int64(missing) {
		return nil
	}
	return oldest.take(at)
}

// oldestAutomatic returns the index of the first checkpoint that makes way for others,
// or -1. The caller holds Manager.mu.
func (e *entry) oldestAutomatic() int {
	return slices.IndexFunc(e.checkpoints, func(c *checkpoint) bool { return c.info.Automatic && !c.used })
}

// take takes a checkpoint away and returns what is to be closed, when Manager.mu is
// not held any more: to free one takes a while. The caller holds it.
func (e *entry) take(i int) *Snapshot {
	snap := e.checkpoints[i].snap
	e.checkpoints = slices.Delete(e.checkpoints, i, i+1)
	return snap
}

// save takes a snapshot of e, if there is memory for it.
func (m *Manager) save(ctx context.Context, e *entry) (*Snapshot, error) {
	session := m.look(e).session
	held, err := m.holdCopy(session, false)
	if err != nil {
		return nil, err
	}
	defer held.cancel()
	return session.Snapshot(ctx)
}

// holdCopy books memory for a copy of what a sandbox has taken by now. It is taken
// once the copy is made.
func (m *Manager) holdCopy(s *Session, passing bool) (*booking, error) {
	mib := 0
	if w, ok := s.machine.(Weigher); ok {
		mib = w.ResidentMiB()
	}
	return m.hold(mib, passing)
}

// Checkpoints describes those of owner's sandbox, oldest first.
func (m *Manager) Checkpoints(owner, id string) ([]CheckpointInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.find(owner, id)
	if err != nil {
		return nil, err
	}
	var list []CheckpointInfo
	for _, c := range e.checkpoints {
		list = append(list, c.info)
	}
	return list, nil
}

// DropCheckpoint frees a checkpoint of owner's sandbox, named by its id or its
// name, when nobody saves the sandbox or rolls it back. The error matches
// [ErrNoCheckpoint] when there is none.
func (m *Manager) DropCheckpoint(ctx context.Context, owner, id, name string) error {
	lease, _, err := m.lease(owner, id)
	if err != nil {
		return err
	}
	defer lease.Release()
	return m.inTurn(ctx, lease.e, func(context.Context) error {
		m.mu.Lock()
		i, err := lease.e.checkpoint(name)
		if err != nil {
			m.mu.Unlock()
			return err
		}
		gone := lease.e.take(i)
		m.mu.Unlock()
		gone.Close()
		return nil
	})
}

// checkpoint returns the index of the last one with this id or name; "" names the
// last of all. The caller holds Manager.mu.
func (e *entry) checkpoint(name string) (int, error) {
	for i, c := range slices.Backward(e.checkpoints) {
		if name == "" || name == c.info.ID || name == c.info.Name {
			return i, nil
		}
	}
	for _, c := range e.lost {
		if name == c.ID || name == c.Name || name == "" && len(e.checkpoints) == 0 {
			return 0, fmt.Errorf("%w: %s ended when the server was restarted", ErrNoCheckpoint, c.title())
		}
	}
	if len(e.checkpoints) == 0 {
		return 0, fmt.Errorf("%w: this desktop has none", ErrNoCheckpoint)
	}
	return 0, fmt.Errorf("%w: this desktop has none called %q", ErrNoCheckpoint, name)
}

// Rollback makes owner's sandbox what it was at a checkpoint, named by its id or
// its name; "" is the last. It waits for the actions that are under way, as
// [Session.Snapshot] does. The sandbox keeps its id; [Lease.Session] is another one
// afterwards. When it fails, the sandbox is as it was before.
func (m *Manager) Rollback(ctx context.Context, owner, id, name string, onStep func(step string)) (CheckpointInfo, error) {
	var info CheckpointInfo
	err := m.exclusively(ctx, owner, id, func(ctx context.Context, e *entry) error {
		m.mu.Lock()
		i, err := e.checkpoint(name)
		if err != nil {
			m.mu.Unlock()
			return err
		}
		c, old := e.checkpoints[i], e.session
		c.used = true
		m.mu.Unlock()
		defer func() {
			m.mu.Lock()
			c.used = false
			m.mu.Unlock()
		}()
		info = c.info
		if err := m.swap(ctx, e, old, c.snap, onStep); err != nil {
			return fmt.Errorf("roll back: %w", err)
		}
		return nil
	})
	return info, err
}

// swap makes e another session, started from snap, and ends the old one.
func (m *Manager) swap(ctx context.Context, e *entry, old *Session, snap *Snapshot, onStep func(string)) error {
	saver, ok := m.cfg.Backend.(Snapshotter)
	if !ok {
		return fmt.Errorf("%w: the backend %s saves nothing", ErrSnapshotUnsupported, m.cfg.Backend.Name())
	}
	open, err := old.pause(ctx)
	if err != nil {
		return err
	}
	defer open()
	defer m.pool.stepAside()()
	// The old one runs until the new one does.
	held, err := m.hold(int(snap.Size()>>20)+overheadMiB, true)
	if err != nil {
		return err
	}
	defer held.cancel()
	snap = snap.connected(old.Config().Network) // what was taken back since is not given again
	session, err := Resume(ctx, saver, snap, m.goOnOptions(e.info.ID, old, onStep))
	if err != nil {
		return err
	}
	m.mu.Lock()
	if e.closed || e.ending || old.ending().Reason != "" {
		m.mu.Unlock()
		session.Stop()
		return ErrStopped
	}
	e.session = session
	e.change()
	m.mu.Unlock()
	e.booking.weigh(resident(session.machine))
	old.Stop()
	return nil
}

// Fork starts another sandbox from owner's as it is now, which goes on. Both are
// independent from then on. The lease is one of the new sandbox and must be
// released. For the errors see [Manager.Create] and [Session.Snapshot].
func (m *Manager) Fork(ctx context.Context, owner, id string, onStep func(step string)) (lease *Lease, err error) {
	saver, ok := m.cfg.Backend.(Snapshotter)
	if !ok {
		return nil, fmt.Errorf("%w: the backend %s saves nothing", ErrSnapshotUnsupported, m.cfg.Backend.Name())
	}
	err = m.exclusively(ctx, owner, id, func(ctx context.Context, e *entry) error {
		session := m.look(e).session
		var standstill time.Duration
		lease, err = m.add(ctx, owner, session.Config(), onStep, func(ctx context.Context, opts StartOptions) (*Session, error) {
			snap, err := m.save(ctx, e)
			if err != nil {
				return nil, err
			}
			defer snap.Close()
			standstill = snap.Standstill()
			return Resume(ctx, saver, snap, opts)
		})
		if err == nil {
			m.mu.Lock()
			lease.e.info.Standstill = standstill
			m.mu.Unlock()
		}
		return err
	})
	return lease, err
}

// exclusively calls do for owner's sandbox, which is leased and runs meanwhile, when
// nobody else saves it or rolls it back.
func (m *Manager) exclusively(ctx context.Context, owner, id string, do func(context.Context, *entry) error) error {
	lease, _, err := m.lease(owner, id)
	if err != nil {
		return err
	}
	defer lease.Release()
	return m.inTurn(ctx, lease.e, func(ctx context.Context) error {
		if err := m.resume(ctx, lease.e); err != nil {
			return err
		}
		return do(ctx, lease.e)
	})
}

// inTurn calls do when nobody else saves e, rolls it back, suspends or resumes it.
func (m *Manager) inTurn(ctx context.Context, e *entry, do func(context.Context) error) error {
	ctx, end, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return do(ctx)
}
