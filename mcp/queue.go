package mcp

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// queue gives out turns, one line for each key. The zero value is ready.
type queue struct {
	mu    sync.Mutex
	lines map[string][]*turn // the first of a line has its turn
}

// turn is a place in a line.
type turn struct {
	q       *queue
	key     string
	come    chan struct{} // closed when it is at the head
	spoiled bool          // someone before it has failed; guarded by mu of q
}

// join takes the last place in the line of key. It must be left.
func (q *queue) join(key string) *turn {
	t := &turn{q: q, key: key, come: make(chan struct{})}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lines == nil {
		q.lines = make(map[string][]*turn)
	}
	if q.lines[key] = append(q.lines[key], t); len(q.lines[key]) == 1 {
		close(t.come)
	}
	return t
}

// wait waits until everyone who joined before has left. It fails when ctx has
// ended by then, also if the turn has come at the same time.
func (t *turn) wait(ctx context.Context) error {
	select {
	case <-t.come:
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// spoil tells everyone who has joined behind this turn that it has failed.
func (t *turn) spoil() {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	line := t.q.lines[t.key]
	for _, behind := range line[slices.Index(line, t)+1:] {
		behind.spoiled = true
	}
}

// isSpoiled reports whether one before it has failed.
func (t *turn) isSpoiled() bool {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	return t.spoiled
}

// leave gives the place up, whether its turn has come or not.
func (t *turn) leave() {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	line := t.q.lines[t.key]
	for i, other := range line {
		if other != t {
			continue
		}
		line = append(line[:i:i], line[i+1:]...)
		if i == 0 && len(line) > 0 {
			close(line[0].come)
		}
		break
	}
	if len(line) == 0 {
		delete(t.q.lines, t.key)
		return
	}
	t.q.lines[t.key] = line
}

// arrival lets calls join their lines in the order in which they arrived,
// although each is handled on a goroutine of its own. A transport hands one to
// each call, with next in the order of arrival; the call passes once.
type arrival struct {
	before <-chan struct{} // closed when the one before has passed; nil for the first
	passed chan struct{}
	once   sync.Once
	latest *atomic.Pointer[arrival] // of all that arrive where this one does
}

// next returns the arrival after a, which may be nil.
func (a *arrival) next() *arrival {
	n := &arrival{passed: make(chan struct{})}
	if a != nil {
		n.before, n.latest = a.passed, a.latest
	} else {
		n.latest = new(atomic.Pointer[arrival])
	}
	n.latest.Store(n)
	return n
}

// caughtUp waits until all that have arrived by now have passed. The arrival must
// have passed itself.
func (a *arrival) caughtUp(ctx context.Context) {
	if a == nil {
		return
	}
	select {
	case <-a.latest.Load().passed:
	case <-ctx.Done():
	}
}

// pass runs f, unless it is nil, once all earlier arrivals have passed. Only
// the first pass counts. A nil arrival is in no order.
func (a *arrival) pass(f func()) {
	if a == nil {
		if f != nil {
			f()
		}
		return
	}
	a.once.Do(func() {
		if a.before != nil {
			<-a.before
		}
		if f != nil {
			f()
		}
		close(a.passed)
	})
}

type arrivalKey struct{}

func withArrival(ctx context.Context, a *arrival) context.Context {
	return context.WithValue(ctx, arrivalKey{}, a)
}

func arrivalOf(ctx context.Context) *arrival {
	a, _ := ctx.Value(arrivalKey{}).(*arrival)
	return a
}
