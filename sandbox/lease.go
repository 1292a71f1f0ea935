package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Lease keeps a sandbox alive while a call uses it: one that is leased is never
// idle. It is safe for concurrent use.
type Lease struct {
	m    *Manager
	e    *entry
	once sync.Once
}

// Session returns the sandbox. It is another one after a rollback.
func (l *Lease) Session() *Session {
	return l.m.look(l.e).session
}

// Do performs one action on the sandbox; see [Session.Do]. One that comes while the
// sandbox is rolled back waits, and is done in what it was rolled back to. Once the
// sandbox has ended the error matches [ErrNoDesktop] and says why.
func (l *Lease) Do(ctx context.Context, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
	for {
		s := l.Session()
		if err := s.actions.enter(ctx); err != nil {
			return nil, fmt.Errorf("wait until the desktop is saved: %w", err)
		}
		if s != l.Session() {
			s.actions.leave() // nothing was sent, so nothing is done twice
			continue
		}
		res, err := s.do(ctx, a, o)
		s.actions.leave()
		if errors.Is(err, ErrStopped) {
			return res, goneError(s.ending().String()) // no other session follows on one that has ended by itself
		}
		return res, err
	}
}

// Info describes the sandbox.
func (l *Lease) Info() Info {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return l.e.describe()
}

// SetKey has the sandbox bear a key by which its owner finds it again in a list, also one
// of a later manager. It means nothing here.
func (l *Lease) SetKey(key string) {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.e.info.Key = key
}

// Release ends the lease. It may be called more than once.
func (l *Lease) Release() {
	l.once.Do(func() {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		l.e.leases--
		l.e.info.Used = time.Now()
	})
}
