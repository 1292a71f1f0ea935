package mcp

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// boot is a desktop on its way. Any number of calls may wait for it.
type boot struct {
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	step    string
	stepped chan struct{} // closed, and replaced, when step changes

	done chan struct{} // closed when info or err is there
	info sandbox.Info
	err  error
}

// errBootClosed is why a boot ends that its client gave up.
var errBootClosed = errors.New("the desktop was closed while it was starting")

// start begins to boot a desktop, which goes on when the call that wanted it is
// given up. It is asked for by the client, or what the conversation needs. The
// caller holds c.mu.
func (c *Conversation) start(cfg sandbox.Config, asked bool) (*boot, error) {
	if c.closed {
		return nil, errClosed
	}
	done, err := c.tenant.reserve()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	b := &boot{cancel: cancel, stepped: make(chan struct{}), done: make(chan struct{})}
	c.wg.Go(func() {
		defer cancel(nil)
		defer done()
		begun := time.Now()
		d, err := c.desktops.Create(ctx, c.owner, cfg, b.onStep)
		if err == nil {
			defer d.Release()
		} else if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		c.tenant.s.metrics.start(err != nil, time.Since(begun))
		c.mu.Lock()
		defer c.mu.Unlock()
		defer close(b.done)
		if err != nil {
			if b.err = err; c.own == b {
				c.own = nil
			}
			c.log.Warn("desktop did not start", "err", err)
			return
		}
		b.info = d.Info()
		c.made[b.info.ID] = c.reach == wholly || !asked
		c.tenant.born(b.info.ID)
		if c.own == b {
			c.tenant.lineUp(b.info.ID, c.key)
		}
	})
	return b, nil
}

func (b *boot) onStep(step string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.step = step
	close(b.stepped)
	b.stepped = make(chan struct{})
}

// ended reports whether info or err is there.
func (b *boot) ended() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// ready reports whether the desktop is there.
func (b *boot) ready() bool { return b.ended() && b.err == nil }

// wait waits until the desktop is there, and tells p of each step.
func (b *boot) wait(ctx context.Context, p *progress) (sandbox.Info, error) {
	for {
		b.mu.Lock()
		step, stepped := b.step, b.stepped
		b.mu.Unlock()
		select {
		case <-b.done:
			return b.info, b.err
		default:
		}
		if step != "" {
			p.tell("booting the desktop: " + desktop.PlainLine(step, 200))
		} else {
			p.tell("booting the desktop")
		}
		select {
		case <-stepped:
		case <-b.done:
		case <-ctx.Done():
			return sandbox.Info{}, context.Cause(ctx)
		}
	}
}
