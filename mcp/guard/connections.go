package guard

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"time"
)

// How long a client may take, and how large its headers may be.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 32 << 10
)

// Server returns an HTTP server of next behind the guard, with limits on time,
// headers and connections. The caller may set its TLSConfig and ErrorLog, and
// ends it.
//
// Nothing limits how long an answer takes: a handler must set the deadline of
// each of its writes.
func (g *Guard) Server(next http.Handler) *http.Server {
	c := &connections{max: g.maxConnections, useless: list.New(), held: make(map[net.Conn]*list.Element)}
	return &http.Server{
		Handler:           g.Wrap(next),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         c.state,
	}
}

// connections bounds how many connections a server holds.
type connections struct {
	max int

	mu      sync.Mutex
	held    map[net.Conn]*list.Element // with their places in useless, nil when they have a request
	useless *list.List                 // of connections without a request, longest first
}

// state is told of each change of a connection. One too many closes the one that
// has had no request for longest, which may be itself.
func (c *connections) state(conn net.Conn, s http.ConnState) {
	var victim net.Conn
	c.mu.Lock()
	switch s {
	case http.StateNew, http.StateIdle:
		if c.held[conn] == nil {
			c.held[conn] = c.useless.PushBack(conn)
		}
		if len(c.held) > c.max {
			victim = c.forget(c.useless.Front().Value.(net.Conn))
		}
	case http.StateActive:
		if e := c.held[conn]; e != nil {
			c.useless.Remove(e)
			c.held[conn] = nil
		}
	case http.StateClosed, http.StateHijacked:
		c.forget(conn)
	}
	c.mu.Unlock()
	if victim != nil {
		victim.Close()
	}
}

// forget drops what is kept of a connection, and returns it. The caller holds
// mu.
func (c *connections) forget(conn net.Conn) net.Conn {
	if e := c.held[conn]; e != nil {
		c.useless.Remove(e)
	}
	delete(c.held, conn)
	return conn
}
