package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
)

// Suspend writes owner's sandbox to the disk and ends its machine: it takes no
// memory any more, its checkpoints apart, and goes on when it is used again. One
// that somebody else holds is not suspended, and the error matches [ErrInUse]. Without a place for it on the disk the
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

// errLeased is why a sandbox is not suspended that somebody holds.
var errLeased = fmt.Errorf("%w: try again when the actions that are under way are done", ErrInUse)

// suspend suspends e, unless there are other leases than that many. The caller has
// the turn.
func (m *Manager) suspend(ctx context.Context, e *entry, leases int) error {
	now := m.look(e)
	if now.suspended {
		return nil
	}
	// What comes in from here on waits, and finds another session.
	open, err := now.session.pause(ctx)
	if err != nil {
		return err
	}
	defer open()
	cfg := now.session.Config()
	place, err := m.shelf.take(cfg.MemoryMiB + cfg.ScratchMiB)
	if err != nil {
		return err
	}
	held, err := m.holdCopy(now.session, true)
	if err != nil {
		place.leave()
		return err
	}
	defer held.cancel()
	dir, state, stub, err := m.putAway(ctx, e, now.session)
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
		err = errLeased
	}
	if err != nil {
		m.mu.Unlock()
		err = errors.Join(err, discardKept(dir), closeStub(stub)) // before anything more is done in it
		place.leave()
		return err
	}
	e.suspended, e.place, e.state, e.stub = dir, place, state, stub
	e.info.Size = now.session.Size()
	e.change()
	booking := e.booking
	m.mu.Unlock()
	now.session.Stop()
	booking.cancel() // its memory is free now
	return nil
}

// putAway stores the session of e in a directory of its own. From its return on a
// server that dies leaves it to the next one, if any is to have it; state then says
// what it depends on. The stub, if there is one, is to be closed.
func (m *Manager) putAway(ctx context.Context, e *entry, s *Session) (dir, state string, stub Stub, err error) {
	var r keptRecord
	if m.cfg.Keep {
		if r, err = m.record(ctx, e, s); err != nil {
			return "", "", nil, err
		}
	}
	snap, err := s.save(ctx)
	if err != nil {
		return "", "", nil, err
	}
	defer snap.Close()
	dir, err = durable.MkdirTemp(m.state.dir, suspendedPrefix)
	if err != nil {
		return "", "", nil, err
	}
	err = snap.Store(ctx, dir)
	if err == nil && m.cfg.Keep {
		err = errors.Join(durable.SyncDir(m.state.dir), commitRecord(filepath.Join(dir, keptFile), r))
	}
	if err != nil {
		return "", "", nil, errors.Join(err, discardKept(dir))
	}
	m.mu.Lock()
	last := m.closed
	m.mu.Unlock()
	if last {
		return dir, r.State, nil, nil // it goes on with another server
	}
	stub, err = snap.stub()
	if err != nil {
		m.log.Warn("a suspended sandbox will take longer to go on", "err", err)
	}
	return dir, r.State, stub, nil
}

// closeStub closes a stub, if there is one.
func closeStub(s Stub) error {
	if s == nil {
		return nil
	}
	return s.Close()
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
	dir, cfg, stub := e.suspended, e.session.Config(), e.stub
	e.stub = nil // it may end meanwhile
	m.mu.Unlock()
	if dir == "" {
		return nil
	}
	defer m.returnStub(e, stub)
	defer m.pool.stepAside()()
	booking, err := m.book(cfg.MemoryMiB)
	if err != nil {
		return err
	}
	session, err := m.takeOut(ctx, e, dir, stub)
	if err != nil {
		booking.cancel()
		if errors.Is(err, ErrUnusable) || errors.Is(err, ErrInvalidConfig) {
			end := SessionEnd{Reason: EndError, Err: err} // it would fail like that for ever
			m.finish(e, end)
			return goneError(end.String())
		}
		return err
	}
	// What anybody does on it from here on is not on the disk.
	if err := durable.Remove(filepath.Join(dir, keptFile)); err != nil {
		m.log.Error("should the server die, a sandbox that goes on is taken back as it was before", "err", err)
	}
	m.mu.Lock()
	if e.ending || e.closed {
		m.mu.Unlock()
		session.Stop()
		booking.cancel()
		return ErrStopped
	}
	place := e.place
	if e.news != "" {
		session.notify(e.news)
	}
	e.session, e.suspended, e.place, e.booking, e.news = session, "", nil, booking, ""
	e.change()
	m.mu.Unlock()
	booking.weigh(resident(session.machine))
	place.leave()
	// To free that much of a disk takes a while, which nobody need wait for.
	m.wg.Go(func() {
		if err := os.RemoveAll(dir); err != nil {
			m.log.Error("remove what a sandbox was resumed from", "err", err)
		}
	})
	return nil
}

// returnStub gives e its stub back, which is closed when e is not suspended any more.
func (m *Manager) returnStub(e *entry, stub Stub) {
	m.mu.Lock()
	if e.suspended != "" && !e.closed {
		e.stub, stub = stub, nil
	}
	m.mu.Unlock()
	if err := closeStub(stub); err != nil {
		m.log.Error("free what a suspended sandbox shared", "err", err)
	}
}

// takeOut starts the session that putAway stored in dir, with its stub if it has one.
func (m *Manager) takeOut(ctx context.Context, e *entry, dir string, stub Stub) (*Session, error) {
	saver, ok := m.cfg.Backend.(Snapshotter)
	if !ok {
		return nil, fmt.Errorf("%w: the backend %s saves nothing", ErrSnapshotUnsupported, m.cfg.Backend.Name())
	}
	m.mu.Lock()
	state, session := e.state, e.session
	m.mu.Unlock()
	var from loader = saver
	if stub != nil {
		from = stub
	}
	cfg := session.Config()
	if state != "" {
		now, err := stateKey(ctx, saver, cfg)
		if err != nil {
			return nil, err
		}
		if now != state {
			return nil, fmt.Errorf("%w: this host, its QEMU or the image is another one now than when it was suspended", ErrUnusable)
		}
	}
	snap, err := loadSnapshot(ctx, from, dir)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	snap.common = stub != nil
	snap = snap.connected(cfg.Network) // which may have been changed since it was stored
	if !snap.Config().Equal(cfg) {
		return nil, fmt.Errorf("%w: what was stored is of another one", ErrUnusable)
	}
	return Resume(ctx, saver, snap, m.goOnOptions(e.info.ID, session, nil))
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
	if err != nil && !errors.Is(err, ErrInUse) && m.ctx.Err() == nil {
		m.log.Warn("idle sandbox is not suspended", "err", err)
	}
	return m.cfg.Suspend
}
