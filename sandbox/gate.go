package sandbox

import (
	"context"
	"sync"
)

// gate lets any number of actions in, or nobody. The zero gate is open. It is safe
// for concurrent use.
type gate struct {
	mu     sync.Mutex
	inside int
	shutBy chan struct{} // closed when the gate opens again; nil while it is open
	empty  chan struct{} // closed when the last one has left; nil when nobody waits for that
}

// enter waits until the gate is open. Who has entered must leave.
func (g *gate) enter(ctx context.Context) error {
	if err := g.lockOpen(ctx); err != nil {
		return err
	}
	defer g.mu.Unlock()
	g.inside++
	return nil
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// shut waits until the gate is open, keeps everybody out from then on, and returns
// when those who are inside have left.
func (g *gate) shut(ctx context.Context) (open func(), err error) {
	if err := g.lockOpen(ctx); err != nil {
		return nil, err
	}
	g.shutBy = make(chan struct{})
	empty := make(chan struct{})
	if g.inside == 0 {
		close(empty)
	} else {
		g.empty = empty
	}
	g.mu.Unlock()
	select {
	case <-empty:
		return g.open, nil
	case <-ctx.Done():
		g.open()
		return nil, context.Cause(ctx)
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shutBy)
	g.shutBy, g.empty = nil, nil
}

// lockOpen locks the gate at a moment at which it is open.
func (g *gate) lockOpen(ctx context.Context) error {
	for {
		g.mu.Lock()
		opened := g.shutBy
		if opened == nil {
			return nil
		}
		g.mu.Unlock()
		select {
		case <-opened:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
