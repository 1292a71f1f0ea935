package supervise

import (
	"context"
	"sync"
)

// Gate says whether something is ready, and which time around it is. The zero
// Gate is shut. Its methods may be called from several goroutines.
type Gate struct {
	mu      sync.Mutex
	state   uint64        // odd while the gate is open
	changed chan struct{} // closed at the next change; nil when nobody waits
}

// Open opens the gate unless it is open.
func (g *Gate) Open() { g.set(1) }

// Shut shuts the gate unless it is shut.
func (g *Gate) Shut() { g.set(0) }

func (g *Gate) set(bit uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state&1 == bit {
		return
	}
	g.state++
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// Wait waits until the gate is open for at least the time numbered after, and
// returns the number of that time, counted from 1. An opening that was missed
// because the gate was shut again soon is not returned.
func (g *Gate) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		state, changed := g.look()
		if n := (state + 1) / 2; state&1 == 1 && n > after {
			return n, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (g *Gate) look() (state uint64, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.changed == nil {
		g.changed = make(chan struct{})
	}
	return g.state, g.changed
}
