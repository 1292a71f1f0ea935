package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// Limits of a session.
const (
	abandoned   = 30 * time.Second // without a reader, after which a request is cancelled
	maxFinished = 16               // streams that are kept for a client that comes back
	maxKept     = 8 << 20          // bytes of those
)

// errAbandoned is why a request is cancelled whose client does not come back.
var errAbandoned = errors.New("the client's connection broke, and it did not come back")

// session is one protocol session of a client.
type session struct {
	id      string
	owner   auth.Identity
	conv    Conversation
	peer    *rpc.Peer
	sse     bool // it is one of HTTP with SSE, whose client hears all on one stream
	opened  time.Time
	free    func() // gives the place in the quota back
	account *quota.Account

	ctx    context.Context // of its requests
	cancel context.CancelCauseFunc
	idle   func() // called when it has been of no use for the grace period
	grace  time.Duration
	end    sync.Once

	mu       sync.Mutex
	closed   bool
	uses     int         // requests in flight and open streams
	idleAt   *time.Timer // nil while it is in use
	hard     *time.Timer
	lost     *time.Timer // cancels what goes on in it when its one stream has broken; nil while that is open
	streams  map[string]*reading
	finished []string // of streams, oldest first
	numbers  int
	listener *stream // what belongs to no request; nil when nobody listens
}

// reading is a stream that a client can come back to.
type reading struct {
	*stream
	cancel  context.CancelCauseFunc // of its request
	readers int
	leave   *time.Timer // cancels the request when nobody reads; nil while someone does
}

// use notes that something goes on in the session, until release is called
// once. It fails when the session has ended.
func (s *session) use() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.uses++
	if s.idleAt != nil {
		s.idleAt.Stop()
		s.idleAt = nil
	}
	return true
}

func (s *session) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses--
	s.wait()
}

// wait starts the grace period when the session is of no use. The caller holds
// mu.
func (s *session) wait() {
	if s.uses > 0 || s.closed {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(s.grace, func() {
		s.mu.Lock()
		over := s.idleAt == t && !s.closed
		s.mu.Unlock()
		if over {
			s.idle()
		}
	})
	s.idleAt = t
}

// spare reports whether nothing depends on the session now, and since when.
func (s *session) spare() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uses == 0 && !s.closed && s.conv.Empty()
}

// shut lets nothing more happen in the session, and reports whether it was
// the first to do so.
func (s *session) shut(why error) (first bool) {
	s.end.Do(func() {
		first = true
		s.mu.Lock()
		s.closed = true
		for _, t := range []*time.Timer{s.idleAt, s.hard, s.lost} {
			if t != nil {
				t.Stop()
			}
		}
		listener := s.listener
		for _, r := range s.streams {
			if r.leave != nil {
				r.leave.Stop()
			}
		}
		s.mu.Unlock()
		s.cancel(why)
		if listener != nil {
			listener.Close()
		}
	})
	return first
}

// open makes the stream of a request, and the context of it from that of its
// message. When the stream is closed, the session is released, and done is called.
func (s *session) open(ctx context.Context, done func()) (context.Context, *reading) {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &reading{cancel: cancel}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers++
	r.stream = newStream(strconv.Itoa(s.numbers), true, func() {
		cancel(nil)
		s.finish(r)
		s.release()
		done()
	})
	r.count = s.account.Keep
	s.streams[r.id] = r
	return ctx, r
}

// finish keeps a stream that has ended for a while, as far as there is room.
func (s *session) finish(r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = append(s.finished, r.id)
	s.trim()
}

// trim drops streams that have ended and are not read while there are too many,
// oldest first. The last one is dropped only when the client has too much kept
// altogether. The caller holds mu.
func (s *session) trim() {
	size := 0
	for _, id := range s.finished {
		size += s.streams[id].kept()
	}
	s.drop(func(r *reading) bool {
		full := s.account.Full()
		if !full && (len(s.finished) == 1 || len(s.finished) <= maxFinished && size <= maxKept) {
			return false
		}
		size -= r.kept()
		return true
	})
}

// thin drops all streams that have ended and are not read.
func (s *session) thin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(func(*reading) bool { return true })
}

// drop drops those streams that have ended and are not read which are to go. The
// caller holds mu.
func (s *session) drop(goes func(r *reading) bool) {
	for _, id := range slices.Clone(s.finished) {
		r := s.streams[id]
		if r.readers > 0 || !goes(r) {
			continue
		}
		r.forget()
		delete(s.streams, id)
		s.finished = slices.DeleteFunc(s.finished, func(other string) bool { return other == id })
	}
}

// forget drops all streams of a session that has ended.
func (s *session) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.streams {
		r.forget()
	}
	if s.listener != nil {
		s.listener.forget()
	}
}

// find returns a stream that the client can come back to.
func (s *session) find(id string) *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[id]
}

// attach notes that a client reads a stream, until detach is called once.
func (s *session) attach(r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.readers++
	if r.leave != nil {
		r.leave.Stop()
		r.leave = nil
	}
}

func (s *session) detach(r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.readers--; r.readers == 0 && !s.closed {
		r.leave = time.AfterFunc(abandoned, func() { s.abandon(r) })
		s.trim()
	}
}

// abandon cancels a request that nobody waits for.
func (s *session) abandon(r *reading) {
	s.mu.Lock()
	left := r.readers == 0
	s.mu.Unlock()
	if left {
		r.cancel(errAbandoned)
	}
}

// lose is told that the one stream of the session has broken, which its client cannot come
// back to: requests that go on are cancelled like those that nobody comes for.
func (s *session) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.lost = time.AfterFunc(abandoned, func() { s.cancel(errAbandoned) })
	}
}

// listen makes a stream of what belongs to no request, in the place of an
// earlier one: a client that opens another has lost it.
func (s *session) listen() *stream {
	s.mu.Lock()
	before := s.listener
	s.listener = newStream("l", false, nil)
	s.listener.count = s.account.Keep
	now := s.listener
	closed := s.closed
	s.mu.Unlock()
	if before != nil {
		before.forget()
	}
	if closed {
		now.forget()
	}
	return now
}

// onListener is where the messages go that belong to a request, when the session
// has one stream for all of them.
type onListener struct {
	*session
	done func() // called once when nothing more belongs to the request
}

func (o onListener) Send(m rpc.Outgoing) {
	o.mu.Lock()
	l := o.listener
	o.mu.Unlock()
	if l != nil { // the client has begun to listen
		l.Send(m)
	}
}

func (o onListener) Close() { o.done() }

// newID returns an id that cannot be guessed: 130 random bits.
func newID() string { return rand.Text() }
