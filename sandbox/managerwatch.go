package sandbox

import (
	"context"
	"fmt"
	"time"
)

// watch owns a running sandbox: it ends it when it is idle or the manager
// closes, and clears up after its end.
func (m *Manager) watch(e *entry) {
	var idle <-chan time.Time
	if e.idle != nil {
		idle = e.idle.C
		defer e.idle.Stop()
	}
	for ended := false; !ended; {
		session, swapped := m.present(e)
		select {
		case <-swapped:
		case <-session.Done():
			ended = m.close(e, session)
		case <-m.ctx.Done():
			session.Stop()
		case <-idle:
			if rest := m.idleRest(e); rest > 0 {
				e.idle.Reset(rest)
				continue
			}
			session.finish(SessionEnd{
				Reason: EndTimedOut,
				Err:    fmt.Errorf("%w: nobody used it for %v", ErrTimeout, m.cfg.Idle),
			})
		}
	}
	e.booking.cancel()
	close(e.gone)
}

// present returns the session that e is, and what is closed when it is another.
func (m *Manager) present(e *entry) (*Session, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return e.session, e.swapped
}

// close takes e, whose session has ended, out of the living. It reports false when
// that is not e's session any more.
func (m *Manager) close(e *entry, session *Session) bool {
	end, _ := session.Wait(context.Background()) // it has ended
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.session != session {
		return false
	}
	delete(m.live, e.info.ID)
	m.bury(e, end)
	for _, c := range e.checkpoints {
		c.snap.Close()
	}
	e.checkpoints = nil
	e.closed = true
	return true
}

// idleRest returns how much longer e may be idle: nothing when its time is up,
// in which case nobody can lease it any more.
func (m *Manager) idleRest(e *entry) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.leases > 0 {
		return m.cfg.Idle
	}
	rest := m.cfg.Idle - time.Since(e.info.Used)
	if rest <= 0 {
		delete(m.live, e.info.ID)
	}
	return rest
}

// bury remembers how e ended. The caller holds mu.
func (m *Manager) bury(e *entry, end SessionEnd) {
	if len(m.goneList) == maxGraves {
		delete(m.gone, m.goneList[0])
		m.goneList = m.goneList[1:]
	}
	m.gone[e.info.ID] = grave{owner: e.owner, end: end.String()}
	m.goneList = append(m.goneList, e.info.ID)
}
