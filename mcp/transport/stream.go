package transport

import (
	"sync"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// How much a stream keeps for a client that reads slowly or comes back.
const (
	maxEvents = 1024
	maxLog    = 16 << 20 // bytes
)

// stream is an ordered log of messages to a client, which any number of
// readers may follow. The number of an event is its place in the log, from 0.
type stream struct {
	id    string
	keep  bool        // what has been read is kept for a client that comes back
	ended func()      // called when it is closed, by who belongs to it and not by who forgets it
	count func(n int) // is told of n bytes that are kept more, or fewer; nil when nobody wants to know

	mu      sync.Mutex
	first   int            // number of events[0]
	events  []rpc.Outgoing // what is kept
	size    int            // bytes of it
	closed  bool
	changed chan struct{} // closed, and replaced, when something is added
}

// newStream returns a stream. ended, when not nil, is called once when it is closed.
func newStream(id string, keep bool, ended func()) *stream {
	if ended == nil {
		ended = func() {}
	}
	return &stream{id: id, keep: keep, ended: sync.OnceFunc(ended), changed: make(chan struct{})}
}

// Send adds a message. The oldest ones are dropped when there are too many,
// which happens only to a client that does not read.
func (s *stream) Send(m rpc.Outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.events = append(s.events, m)
	s.resize(len(m.Data))
	for len(s.events) > 1 && (len(s.events) > maxEvents || s.size > maxLog) {
		s.drop()
	}
	s.tell()
}

// Close ends the log.
func (s *stream) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.tell()
	}
	s.mu.Unlock()
	s.ended()
}

// tell wakes the readers. The caller holds mu.
func (s *stream) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// drop forgets the oldest event. The caller holds mu.
func (s *stream) drop() {
	s.resize(-len(s.events[0].Data))
	s.events[0] = rpc.Outgoing{}
	s.events = s.events[1:]
	s.first++
}

// resize changes the size. The caller holds mu.
func (s *stream) resize(n int) {
	s.size += n
	if s.count != nil {
		s.count(n)
	}
}

// forget drops everything, and takes nothing any more: nobody will read it.
func (s *stream) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.events) > 0 {
		s.drop()
	}
	if !s.closed {
		s.closed = true
		s.tell()
	}
}

// after returns the first event from number n on and its number, whether there is
// one, whether none will follow, and what is closed when that changes.
func (s *stream) after(n int) (m rpc.Outgoing, at int, ok, closed bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = max(n, s.first)
	if i := n - s.first; i < len(s.events) {
		return s.events[i], n, true, s.closed && i == len(s.events)-1, s.changed
	}
	return rpc.Outgoing{}, n, false, s.closed, s.changed
}

// sent notes that a reader has sent all events up to number n.
func (s *stream) sent(n int) {
	if s.keep {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.events) > 0 && s.first <= n {
		s.drop()
	}
}

// kept returns how many bytes are kept.
func (s *stream) kept() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}
