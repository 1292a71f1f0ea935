package vhostvsock

import (
	"net"
	"os"
	"sync"
	"time"
)

// Listener accepts what the guest connects to one port. It is safe for
// concurrent use. Connections that were accepted outlive it.
type Listener struct {
	dev  *Device
	port uint32

	// The rest is guarded by the device's lock.

	backlog  fifo[*Conn]
	closed   bool
	ready    *sync.Cond
	deadline deadline
}

var _ net.Listener = (*Listener)(nil)

// push adds c to the backlog.
func (l *Listener) push(c *Conn) {
	l.backlog.push(c)
	l.ready.Signal()
}

// Accept returns the next connection, a *[Conn]. One that the guest has given up
// in the meantime is returned too: what it sent can still be read.
func (l *Listener) Accept() (net.Conn, error) {
	l.dev.mu.Lock()
	defer l.dev.mu.Unlock()
	for {
		switch {
		case l.closed:
			return nil, opError("accept", nil, l.Addr(), net.ErrClosed)
		case l.deadline.expired:
			return nil, opError("accept", nil, l.Addr(), os.ErrDeadlineExceeded)
		case l.backlog.len() > 0:
			return l.backlog.pop(), nil
		}
		l.ready.Wait()
	}
}

// SetDeadline sets the deadline of Accept; the zero time means none.
func (l *Listener) SetDeadline(t time.Time) error {
	l.dev.mu.Lock()
	defer l.dev.mu.Unlock()
	if l.closed {
		return opError("set", nil, l.Addr(), net.ErrClosed)
	}
	l.deadline.reset(t)
	return nil
}

// Close frees the port, wakes Accept and closes what was not accepted. Closing
// again does nothing.
func (l *Listener) Close() error {
	l.dev.mu.Lock()
	defer l.dev.mu.Unlock()
	l.close()
	return nil
}

// close is Close with the lock held.
func (l *Listener) close() {
	if l.closed {
		return
	}
	l.closed = true
	l.deadline.stop()
	delete(l.dev.listeners, l.port)
	for l.backlog.len() > 0 {
		c := l.backlog.pop()
		c.close()
		c.link.transmit()
	}
	l.ready.Broadcast()
}

// Addr returns the address that the guest connects to, an [Addr].
func (l *Listener) Addr() net.Addr { return Addr{HostCID, l.port} }
