package mcp

import (
	"context"

	"github.com/vmette/vmette-mcp/sandbox"
)

// useRunning is like use for a desktop that must be there already, or on its way.
func (c *Conversation) useRunning(ctx context.Context, id string, p *progress) (Desktop, error) {
	c.mu.Lock()
	none := c.own == nil
	c.mu.Unlock()
	if id == "" && none && c.reach != stateless {
		return nil, errNoOwn
	}
	return c.use(ctx, id, p)
}

// fork starts a desktop from another one as it is. One that nobody will hear of,
// because the call was given up, is ended again.
func (c *Conversation) fork(ctx context.Context, id string) (sandbox.Info, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return sandbox.Info{}, errClosed
	}
	c.wg.Add(1)
	c.mu.Unlock()
	defer c.wg.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(c.ctx, func() { cancel(context.Cause(c.ctx)) })
	defer stop()

	done, err := c.tenant.reserve()
	if err != nil {
		return sandbox.Info{}, err
	}
	defer done()
	d, err := c.desktops.Fork(ctx, c.owner, id, nil)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return sandbox.Info{}, err
	}
	defer d.Release()
	info := d.Info()
	if ctx.Err() != nil {
		// It ends also when that is not waited for.
		_ = c.desktops.End(ctx, c.owner, info.ID)
		return sandbox.Info{}, context.Cause(ctx)
	}
	c.mu.Lock()
	c.made[info.ID] = c.reach == wholly
	c.mu.Unlock()
	c.tenant.born(info.ID)
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	// No frame of the one is a frame of the other.
	of := c.tenant.sight(id).count
	c.tenant.sight(info.ID).count.base = of.base + of.last
	return info, nil
}
