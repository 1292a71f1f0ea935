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
	cancel  context.CancelCauseFunc
	network sandbox.Network // that was asked for, or that a desktop has which was there

	mu      sync.Mutex
	step    string
	stepped chan struct{} // closed, and replaced, when step changes

	done chan struct{} // closed when info or err is there
	info sandbox.Info
	err  error
}

// errBootClosed is why a boot ends that its client gave up.
var errBootClosed = errors.New("the desktop was closed while it was starting")

// bootPatience is how long a call waits for a boot, which then goes on without it:
// some clients give up a call after a minute, and would not know that.
const bootPatience = 50 * time.Second

// bootedBefore returns the boot of a desktop that is there.
func bootedBefore(info sandbox.Info) *boot {
	b := &boot{cancel: func(error) {}, done: make(chan struct{}), info: info, network: info.Network}
	close(b.done)
	return b
}

// startingError says that a desktop has not started yet, and goes on.
type startingError struct {
	now string // goes on, such as "booting the desktop: start qemu"
}

func (e *startingError) Error() string { return "the desktop is still starting: " + e.now }

// start begins to boot a desktop, which goes on when the call that wanted it is
// given up. It is asked for by the client, with a key that may be "", or what the
// conversation needs. The caller holds c.mu.
func (c *Conversation) start(cfg sandbox.Config, asked bool, key string) (*boot, error) {
	if c.closed {
		return nil, errClosed
	}
	done, err := c.tenant.reserve()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	b := &boot{cancel: cancel, network: cfg.Network, stepped: make(chan struct{}), done: make(chan struct{})}
	c.tenant.starts(key, b)
	c.wg.Go(func() {
		defer cancel(nil)
		defer c.tenant.started(key, b)
		defer done()
		begun := time.Now()
		d, err := c.desktops.Create(ctx, c.owner, cfg, b.onStep)
		if err == nil {
			d.SetKey(key)
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
			if c.onOwn != nil {
				c.onOwn(b.info.ID)
			}
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

// wait waits until the desktop is there, and tells p of each step. The error is a
// *startingError when that takes longer than a call may.
func (b *boot) wait(ctx context.Context, p *progress) (sandbox.Info, error) {
	patience := time.NewTimer(bootPatience)
	defer patience.Stop()
	for {
		b.mu.Lock()
		step, stepped := b.step, b.stepped
		b.mu.Unlock()
		select {
		case <-b.done:
			return b.info, b.err
		default:
		}
		now := "booting the desktop"
		if step != "" {
			now += ": " + desktop.PlainLine(step, 200)
		}
		p.tell(now)
		select {
		case <-stepped:
		case <-b.done:
		case <-patience.C:
			return sandbox.Info{}, &startingError{now}
		case <-ctx.Done():
			return sandbox.Info{}, context.Cause(ctx)
		}
	}
}
