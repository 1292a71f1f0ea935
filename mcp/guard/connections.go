package guard

import (
	"container/list"
	"context"
	"crypto/tls"
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
	writeTimeout  = 30 * time.Second
	maxHeader     = 32 << 10
)

// Server returns an HTTP server of next behind the guard, with limits on time,
// headers and connections. The caller may set its TLSConfig and ErrorLog, and
// ends it.
//
// Nothing limits how long an answer takes, but each write of it must be taken in
// time. Over HTTP/2 one that has begun must go on in that time as well. A handler that takes a request calls [Claim].
func (g *Guard) Server(next http.Handler) *http.Server {
	c := newConnections(g.maxConnections)
	return &http.Server{
		Handler:           g.Wrap(next),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         c.state,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, claimKey{}, func(client string) { c.claim(conn, client) })
		},
	}
}

type claimKey struct{}

// Claim says that the request of ctx is one of a client and is being handled: its
// connection is not closed before it has been answered. Until then a connection
// may make way for others, whatever is sent on it.
func Claim(ctx context.Context, client string) {
	if claim, ok := ctx.Value(claimKey{}).(func(string)); ok {
		claim(client)
	}
}

// connections bounds how many connections a server holds. What goes when there
// are too many is one without a claimed request: of the client that has most
// connections among those that have such, the one that has been so for longest. Those
// of nobody count as of one client, which goes first where others have as many. So one
// that opens thousands is in nobody's way but its own.
type connections struct {
	max int

	mu      sync.Mutex
	held    map[net.Conn]*place
	of      map[string]int        // how many of them each client has
	useless map[string]*list.List // of connections without a claimed request, longest first, by client
}

// place is what is known of a connection.
type place struct {
	client string        // of its last claimed request; "" before the first
	spare  *list.Element // in useless; nil while a request is claimed
}

func newConnections(most int) *connections {
	return &connections{max: most, held: make(map[net.Conn]*place), of: make(map[string]int), useless: make(map[string]*list.List)}
}

// state is told of each change of a connection. The one too many may be the new
// one itself.
func (c *connections) state(conn net.Conn, s http.ConnState) {
	var victim net.Conn
	c.mu.Lock()
	switch s {
	case http.StateNew:
		c.held[conn] = new(place)
		c.count("", 1)
		c.spare(conn)
		if len(c.held) > c.max {
			victim = c.victim()
			c.forget(victim)
		}
	case http.StateIdle:
		c.spare(conn)
	case http.StateClosed, http.StateHijacked:
		c.forget(conn)
	}
	c.mu.Unlock()
	if victim == nil {
		return
	}
	// This is the loop that accepts connections: it does not wait for the client to take a
	// farewell of TLS.
	if encrypted, ok := victim.(*tls.Conn); ok {
		victim = encrypted.NetConn()
	}
	victim.Close()
}

// claim notes that a request of a client is being handled.
func (c *connections) claim(conn net.Conn, client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.held[conn]; p != nil {
		c.unspare(p)
		c.count(p.client, -1)
		p.client = client
		c.count(client, 1)
	}
}

// count changes how many connections a client has. The caller holds mu.
func (c *connections) count(client string, by int) {
	if c.of[client] += by; c.of[client] == 0 {
		delete(c.of, client)
	}
}

// spare notes that a connection is of no use from now on. The caller holds mu.
func (c *connections) spare(conn net.Conn) {
	p := c.held[conn]
	if p == nil {
		return // it has made way
	}
	c.unspare(p)
	l := c.useless[p.client]
	if l == nil {
		l = list.New()
		c.useless[p.client] = l
	}
	p.spare = l.PushBack(conn)
}

// unspare is the opposite of spare. The caller holds mu.
func (c *connections) unspare(p *place) {
	if p.spare == nil {
		return
	}
	l := c.useless[p.client]
	l.Remove(p.spare)
	p.spare = nil
	if l.Len() == 0 {
		delete(c.useless, p.client)
	}
}

// victim returns which connection makes way. There is one, as the new one is of
// no use yet. The caller holds mu.
func (c *connections) victim() net.Conn {
	var who string
	most := 0
	for client := range c.useless {
		if n := c.of[client]; n > most || n == most && client == "" {
			who, most = client, n
		}
	}
	return c.useless[who].Front().Value.(net.Conn)
}

// forget drops what is kept of a connection. The caller holds mu.
func (c *connections) forget(conn net.Conn) {
	if p := c.held[conn]; p != nil {
		c.unspare(p)
		c.count(p.client, -1)
		delete(c.held, conn)
	}
}
