package rpc

import (
	"context"
	"sync"
	"sync/atomic"
)

// Arrival lets calls do something in the order in which they arrived, although
// each is handled on a goroutine of its own: join a line, for one. A nil Arrival
// is in no order.
type Arrival struct {
	before <-chan struct{} // closed when the one before has passed; nil for the first
	passed chan struct{}
	once   sync.Once
	latest *atomic.Pointer[Arrival] // of all that arrive where this one does
}

// next returns the arrival after a, which may be nil.
func (a *Arrival) next() *Arrival {
	n := &Arrival{passed: make(chan struct{})}
	if a != nil {
		n.before, n.latest = a.passed, a.latest
	} else {
		n.latest = new(atomic.Pointer[Arrival])
	}
	n.latest.Store(n)
	return n
}

// CaughtUp waits until all that have arrived by now have passed. The arrival must
// have passed itself.
func (a *Arrival) CaughtUp(ctx context.Context) {
	if a == nil {
		return
	}
	select {
	case <-a.latest.Load().passed:
	case <-ctx.Done():
	}
}

// Pass runs f, unless it is nil, once all earlier arrivals have passed. Only
// the first pass counts; when a call has been handled it has passed in any case.
func (a *Arrival) Pass(f func()) {
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

// ArrivalOf returns the arrival of the request of a context, nil when it is in
// no order.
func ArrivalOf(ctx context.Context) *Arrival {
	if r := requestOf(ctx); r != nil {
		return r.arrival
	}
	return nil
}
