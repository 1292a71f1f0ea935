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
	keep  bool   // what has been read is kept for a client that comes back
	ended func() // called once when it is closed

	mu      sync.Mutex
	first   int            // number of events[0]
	events  []rpc.Outgoing // what is kept
	size    int            // bytes of it
	closed  bool
	changed chan struct{} // closed, and replaced, when something is added
}

func newStream(id string, keep bool, ended func()) *stream {
	return &stream{id: id, keep: keep, ended: ended, changed: make(chan struct{})}
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
	s.size += len(m.Data)
	for len(s.events) > 1 && (len(s.events) > maxEvents || s.size > maxLog) {
		s.drop()
	}
	s.tell()
}

// Close ends the log.
func (s *stream) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	if first {
		s.tell()
	}
	s.mu.Unlock()
	if first && s.ended != nil {
		s.ended()
	}
}

// tell wakes the readers. The caller holds mu.
func (s *stream) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// drop forgets the oldest event. The caller holds mu.
func (s *stream) drop() {
	s.size -= len(s.events[0].Data)
	s.events[0] = rpc.Outgoing{}
	s.events = s.events[1:]
	s.first++
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
