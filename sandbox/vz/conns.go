package vz

import (
	"net"
	"sync"
)

// maxWaiting is how many connections of a guest may wait to be accepted. The
// framework accepts whatever the guest dials, at the cost of a file descriptor
// each: what is more is closed at once.
const maxWaiting = 16

// conns are the connections of one machine that are open. It is safe for
// concurrent use; the zero value is ready.
type conns struct {
	mu   sync.Mutex
	open map[*conn]struct{}
	shut bool
}

// conn is a connection that its machine can close.
type conn struct {
	net.Conn
	in *conns
}

// add returns c as one of the machine's, or nil when that has ended and c is
// closed.
func (s *conns) add(c net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		c.Close()
		return nil
	}
	if s.open == nil {
		s.open = make(map[*conn]struct{})
	}
	own := &conn{Conn: c, in: s}
	s.open[own] = struct{}{}
	return own
}

// hangUp closes all connections. Others may follow.
func (s *conns) hangUp() {
	s.mu.Lock()
	open := s.open
	s.open = nil
	s.mu.Unlock()
	for c := range open {
		c.Conn.Close()
	}
}

// end closes all connections, and those that follow.
func (s *conns) end() {
	s.mu.Lock()
	s.shut = true
	s.mu.Unlock()
	s.hangUp()
}

// Close closes the connection.
func (c *conn) Close() error {
	c.in.mu.Lock()
	delete(c.in.open, c)
	c.in.mu.Unlock()
	return c.Conn.Close()
}
