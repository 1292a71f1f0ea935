package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Suspend writes owner's sandbox to the disk and ends its machine: it takes no
// memory any more, its checkpoints apart, and goes on when it is used again. One
// that somebody else holds is not suspended. Without a place for it on the disk the
// error matches [ErrNoShelf]. When it fails, the sandbox runs on.
func (m *Manager) Suspend(ctx context.Context, owner, id string) error {
	lease, _, err := m.lease(owner, id)
	if err != nil {
		return err
	}
	defer lease.Release()
	err = m.inTurn(ctx, lease.e, func(ctx context.Context) error { return m.suspend(ctx, lease.e, 1) })
	if err != nil {
		return fmt.Errorf("suspend desktop: %w", err)
	}
	return nil
}

// errInUse is why a sandbox is not suspended.
var errInUse = errors.New("it is in use: try again when the actions that are under way are done")

// suspend suspends e, unless there are other leases than that many. The caller has
// the turn.
func (m *Manager) suspend(ctx context.Context, e *entry, leases int) error {
	now := m.look(e)
	if now.suspended {
		return nil
	}
	// What comes in from here on waits, and finds another session.
	open, err := now.session.actions.shut(ctx)
	if err != nil {
		return err
	}
	defer open()
	place, err := m.shelf.take(now.session.Config().MemoryMiB)
	if err != nil {
		return err
	}
	dir, err := m.putAway(ctx, now.session)
	if err != nil {
		place.leave()
		return err
	}
	place.filled()
	m.mu.Lock()
	switch {
	case e.ending || e.closed:
		err = ErrStopped
	case e.leases > leases:
		err = errInUse
	}
	if err != nil {
		m.mu.Unlock()
		err = errors.Join(err, os.RemoveAll(dir))
		place.leave()
		return err
	}
	e.suspended, e.place = dir, place
	e.change()
	e.booking.cancel()
	m.mu.Unlock()
	now.session.Stop()
	return nil
}

// putAway stores the session in a directory of its own.
func (m *Manager) putAway(ctx context.Context, s *Session) (dir string, err error) {
	snap, err := s.save(ctx)
	if err != nil {
		return "", err
	}
	defer snap.Close()
	dir, err = os.MkdirTemp(m.state.dir, "suspended-")
	if err != nil {
		return "", err
	}
	if err := snap.Store(ctx, dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// wake has e run again if it is suspended.
func (m *Manager) wake(ctx context.Context, e *entry) error {
	err := m.inTurn(ctx, e, func(ctx context.Context) error { return m.resume(ctx, e) })
	if err != nil {
		return fmt.Errorf("resume desktop: %w", err)
	}
	return nil
}

// resume has e run again if it is suspended. The caller has the turn, and a lease.
func (m *Manager) resume(ctx context.Context, e *entry) error {
	m.mu.Lock()
	dir, cfg := e.suspended, e.session.Config()
	m.mu.Unlock()
	if dir == "" {
		return nil
	}
	booking, err := m.room.take(cfg.MemoryMiB)
	if err != nil {
		return err
	}
	session, err := m.takeOut(ctx, e, dir)
	if err != nil {
		booking.cancel()
		return err
	}
	m.mu.Lock()
	if e.ending || e.closed {
		m.mu.Unlock()
		session.Stop()
		booking.cancel()
		return ErrStopped
	}
	place := e.place
	e.session, e.suspended, e.place, e.booking = session, "", nil, booking
	e.change()
	m.mu.Unlock()
	booking.weigh(resident(session.machine))
	if err := os.RemoveAll(dir); err != nil {
		m.log.Error("remove what a sandbox was resumed from", "err", err)
	}
	place.leave()
	return nil
}

// takeOut starts the session that putAway stored in dir.
func (m *Manager) takeOut(ctx context.Context, e *entry, dir string) (*Session, error) {
	saver, ok := m.cfg.Backend.(Snapshotter)
	if !ok {
		return nil, fmt.Errorf("%w: the backend %s saves nothing", ErrUnsupported, m.cfg.Backend.Name())
	}
	snap, err := LoadSnapshot(ctx, saver, dir)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	return Resume(ctx, saver, snap, m.startOptions(e.info.ID, nil))
}

// napRest suspends e if nobody holds it or has used it for long, and returns when
// to look again.
func (m *Manager) napRest(e *entry) time.Duration {
	m.mu.Lock()
	rest := m.cfg.Suspend - time.Since(e.info.Used)
	held := e.leases > 0
	m.mu.Unlock()
	if held {
		return m.cfg.Suspend
	}
	if rest > 0 {
		return rest
	}
	err := m.inTurn(m.ctx, e, func(ctx context.Context) error { return m.suspend(ctx, e, 0) })
	if err != nil && !errors.Is(err, errInUse) && m.ctx.Err() == nil {
		m.log.Warn("idle sandbox is not suspended", "err", err)
	}
	return m.cfg.Suspend
}
