package serve

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// keepBuffer is the memory that is kept from one picture to the next.
const keepBuffer = 8 << 20

// camera is the part of a connection that sends pictures.
type camera struct {
	shot    sync.Mutex // held from the taking of a frame to the end of its sending
	display Display    // that took the last frame; nil before the first
	number  uint64     // of the last frame
	buf     []byte
}

// observe answers a request that did something, with the picture that it asks
// for: one that succeeded, or a batch that failed on its way. A screen that cannot be looked at does not undo what was done: that it could
// not is a notice.
func (c *connection) observe(ctx context.Context, t *task, o outcome) {
	o.OK = o.Error == nil
	mode := t.req.Observe.Mode
	if o.look && (mode == "" || mode == desktop.ObserveNone) {
		mode = desktop.ObserveNow
	}
	if mode == "" || mode == desktop.ObserveNone {
		c.write(t.id, o.Response, o.payload)
		return
	}
	d, err := c.server.Desk.use(ctx)
	if err == nil && mode == desktop.ObserveSettled {
		var settled desktop.Settled
		settled, err = d.Settle(ctx, x11.SettleOptions{
			Quiet: time.Duration(t.req.Observe.QuietMS) * time.Millisecond,
			Limit: time.Duration(t.req.Observe.LimitMS) * time.Millisecond,
			Since: c.server.deeds.since(t.spec),
		})
		if err == nil {
			o.Settle = &settled
		}
	}
	if err == nil {
		err = c.shoot(ctx, d, t.id, o)
	}
	switch {
	case err == nil:
		return
	case o.look:
		// The picture was all that was asked for.
		c.write(t.id, desktop.Response{Error: failure(ctx, err)}, nil)
		return
	case ctx.Err() == nil:
		o.Notices = append(o.Notices, fmt.Sprintf("it was done, but then the screen could not be looked at: %s", failure(ctx, err).Message))
	}
	c.write(t.id, o.Response, o.payload)
}

// shoot takes a frame and sends it with the response. Frames of one connection
// are numbered here, because the displays that take them may change.
func (c *connection) shoot(ctx context.Context, d Display, id uint32, o outcome) error {
	c.shot.Lock()
	defer c.shot.Unlock()
	if c.display != d {
		d.Reset() // what it took last went to another connection, or nowhere
		c.display = d
	}
	frame, buf, err := d.Capture(ctx, c.buf[:0])
	if err != nil {
		return err
	}
	if c.buf = buf; cap(buf) > keepBuffer {
		c.buf = nil
	}
	if frame.Base != 0 {
		frame.Base = c.number
	}
	c.number++
	frame.Number = c.number
	o.Frame = &frame
	c.write(id, o.Response, append(buf, o.payload...))
	return nil
}
