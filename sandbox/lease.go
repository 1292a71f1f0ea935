package sandbox

import (
	"sync"
	"time"
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

// Info describes the sandbox.
func (l *Lease) Info() Info {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return l.e.describe()
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
