package sandbox

import (
	"context"
	"fmt"
	"time"
)

// watch owns a sandbox: it suspends or ends it when it is idle, ends it when the
// manager closes, and clears up after its end.
func (m *Manager) watch(e *entry) {
	idle, nap := newAlarm(m.cfg.Idle), newAlarm(m.cfg.Suspend)
	defer idle.stop()
	defer nap.stop()
	for ended := false; !ended; {
		now := m.look(e)
		over := now.session.Done()
		if now.suspended && !now.ending {
			over = nil // the session is, the sandbox is not
		}
		select {
		case <-now.changed:
			nap.reset(m.cfg.Suspend)
		case <-over:
			ended = m.close(e, now.session)
		case <-m.ctx.Done():
			session := m.finish(e, SessionEnd{Reason: EndStopped})
			<-session.Done()
		case <-idle.c:
			if rest := m.idleRest(e); rest > 0 {
				idle.reset(rest)
				continue
			}
			m.finish(e, SessionEnd{
				Reason: EndTimedOut,
				Err:    fmt.Errorf("%w: nobody used it for %v", ErrTimeout, m.cfg.Idle),
			})
		case <-nap.c:
			nap.reset(m.napRest(e))
		}
	}
	close(e.gone)
}

// alarm is a timer that may not be there. The nil channel never fires.
type alarm struct {
	timer *time.Timer
	c     <-chan time.Time
}

// newAlarm returns one that fires after d, or never for 0.
func newAlarm(d time.Duration) alarm {
	if d == 0 {
		return alarm{}
	}
	t := time.NewTimer(d)
	return alarm{t, t.C}
}

func (a alarm) reset(d time.Duration) {
	if a.timer != nil {
		a.timer.Reset(d)
	}
}

func (a alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// presence is how an entry is at one moment.
type presence struct {
	session           *Session
	suspended, ending bool
	changed           <-chan struct{} // closed when it is not so any more
}

func (m *Manager) look(e *entry) presence {
	m.mu.Lock()
	defer m.mu.Unlock()
	return presence{e.session, e.suspended != "", e.ending, e.changed}
}

// change wakes whoever looks at e. The caller holds Manager.mu.
func (e *entry) change() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// finish has e end, for this reason unless there is one already, and returns the
// session whose end that is.
func (m *Manager) finish(e *entry, end SessionEnd) *Session {
	m.mu.Lock()
	if !e.ending {
		e.ending, e.end = true, end
		e.change()
	}
	session := e.session
	m.mu.Unlock()
	session.finish(end)
	return session
}

// close takes e, whose session has ended, out of the living, and frees all that is
// left of it. It reports false when e lives on, as another session or suspended.
func (m *Manager) close(e *entry, session *Session) bool {
	end, _ := session.Wait(context.Background()) // it has ended
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.session != session || e.suspended != "" && !e.ending {
		return false
	}
	if e.suspended != "" {
		end = e.end
		if !e.left {
			if err := discardKept(e.suspended); err != nil {
				m.log.Error("remove suspended sandbox", "err", err)
			}
		}
		e.place.leave()
		if err := closeStub(e.stub); err != nil {
			m.log.Error("free what a suspended sandbox shared", "err", err)
		}
		e.stub = nil
	}
	delete(m.live, e.info.ID)
	m.bury(e.info.ID, e.owner, end)
	for _, c := range e.checkpoints {
		c.snap.Close()
	}
	e.checkpoints = nil
	e.closed = true
	e.booking.cancel()
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

// bury remembers how owner's sandbox ended. The caller holds mu.
func (m *Manager) bury(id, owner string, end SessionEnd) {
	if len(m.goneList) == maxGraves {
		delete(m.gone, m.goneList[0])
		m.goneList = m.goneList[1:]
	}
	m.gone[id] = grave{owner: owner, end: end.String()}
	m.goneList = append(m.goneList, id)
}
