package windows

import (
	"context"
	"slices"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// byUser says in a message that a person wants it, and not the application by
// itself, which a window manager may refuse (EWMH, "Source indication").
const byUser = 2

func (c *change) focus(ctx context.Context) error {
	c.activate()
	return c.expect(ctx, "given the focus", func(w desktop.Window) bool { return w.Focused && !w.Minimized })
}

// activate raises the window and gives it the keyboard.
func (c *change) activate() {
	if c.supports(netActive) {
		c.Message(c.id, c.Known(netActive), byUser, xproto.TimeCurrentTime, 0)
		return
	}
	if c.now.Minimized {
		xproto.MapWindow(c.Conn.Conn, c.id) // ICCCM, section 4.1.4
	}
	xproto.ConfigureWindow(c.Conn.Conn, c.id, xproto.ConfigWindowStackMode, []uint32{xproto.StackModeAbove})
	xproto.SetInputFocus(c.Conn.Conn, xproto.InputFocusPointerRoot, c.id, xproto.TimeCurrentTime)
}

// The actions of a _NET_WM_STATE message.
const (
	remove = 0
	add    = 1
)

func (c *change) maximize(ctx context.Context) error {
	if err := c.need("maximized"); err != nil {
		return err
	}
	if c.now.Minimized {
		c.activate()
	}
	if c.now.Full {
		c.Message(c.id, c.Known(netState), remove, uint32(c.Known(stateFull)), 0, byUser)
	}
	c.Message(c.id, c.Known(netState), add, uint32(c.Known(stateVert)), uint32(c.Known(stateHorz)), byUser)
	return c.expect(ctx, "maximized", func(w desktop.Window) bool { return w.Maximized && !w.Minimized && !w.Full })
}

func (c *change) minimize(ctx context.Context) error {
	if err := c.need("minimized"); err != nil {
		return err
	}
	const iconic = 3
	c.Message(c.id, c.Known(wmChangeState), iconic)
	return c.expect(ctx, "minimized", func(w desktop.Window) bool { return w.Minimized && !w.Focused })
}

func (c *change) restore(ctx context.Context) error {
	if err := c.need("restored"); err != nil {
		return err
	}
	if c.now.Minimized {
		c.activate()
	}
	c.Message(c.id, c.Known(netState), remove, uint32(c.Known(stateVert)), uint32(c.Known(stateHorz)), byUser)
	c.Message(c.id, c.Known(netState), remove, uint32(c.Known(stateFull)), 0, byUser)
	return c.expect(ctx, "restored", func(w desktop.Window) bool { return !w.Maximized && !w.Minimized && !w.Full })
}

// loosen restores a window that could not be moved as it is.
func (c *change) loosen(ctx context.Context) error {
	if c.now.Maximized || c.now.Minimized || c.now.Full {
		return c.restore(ctx)
	}
	return nil
}

func (c *change) move(ctx context.Context, to desktop.Point) error {
	if err := c.loosen(ctx); err != nil {
		return err
	}
	r := c.now.Region
	r = desktop.Rect{X0: to.X, Y0: to.Y, X1: to.X + r.Width(), Y1: to.Y + r.Height()}
	c.configure(r, xproto.ConfigWindowX|xproto.ConfigWindowY)
	return c.expect(ctx, "moved", func(w desktop.Window) bool { return w.Region.X0 == to.X && w.Region.Y0 == to.Y })
}

func (c *change) resize(ctx context.Context, to desktop.Rect) error {
	if err := c.loosen(ctx); err != nil {
		return err
	}
	_, around, _ := c.place(c.id)
	width, height := c.sizeHints(c.id).fit(to.Width()-around.width(), to.Height()-around.height())
	r := desktop.Rect{X0: to.X0, Y0: to.Y0, X1: to.X0 + width + around.width(), Y1: to.Y0 + height + around.height()}
	c.configure(r, xproto.ConfigWindowX|xproto.ConfigWindowY|xproto.ConfigWindowWidth|xproto.ConfigWindowHeight)
	if err := c.expect(ctx, "resized", func(w desktop.Window) bool { return w.Region == r }); err != nil {
		return err
	}
	if r != to {
		c.notice = "the application allows some sizes only: the window was given the nearest of them"
	}
	return nil
}

// configure asks for a region of the window, of which mask says what counts.
func (c *change) configure(r desktop.Rect, mask uint16) {
	_, around, _ := c.place(c.id)
	want := []uint32{
		uint32(int32(r.X0 - around.shadow.left)), uint32(int32(r.Y0 - around.shadow.top)),
		uint32(max(r.Width()-around.width(), 1)), uint32(max(r.Height()-around.height(), 1)),
	}
	if c.supports(netMoveResize) {
		// With this gravity the place is that of the frame's corner.
		flags := xproto.GravityNorthWest | uint32(mask)<<8 | byUser<<12
		c.Message(c.id, c.Known(netMoveResize), append([]uint32{flags}, want...)...)
		return
	}
	var values []uint32
	for i, v := range want {
		if mask&(1<<i) != 0 {
			values = append(values, v)
		}
	}
	xproto.ConfigureWindow(c.Conn.Conn, c.id, mask, values)
}

// close asks the application to close the window, and does not insist.
func (c *change) close(ctx context.Context) error {
	before, err := c.ids()
	if err != nil {
		return err
	}
	switch {
	case c.supports(netClose):
		c.Message(c.id, c.Known(netClose), xproto.TimeCurrentTime, byUser)
	case slices.Contains(c.values(c.id, wmProtocols, 64), uint32(c.Known(wmDelete))):
		c.Tell(c.id, c.Known(wmProtocols), uint32(c.Known(wmDelete)), xproto.TimeCurrentTime)
	default:
		return desktop.Errorf(desktop.CodeUnavailable, "the application of this window cannot be asked to close it: end its process with exec instead")
	}
	_, err = c.until(ctx, func(desktop.Window) bool { return c.another(before) })
	if err == nil && !c.gone {
		c.notice = "it is still open, perhaps because its application asks something first: look at the screen"
	}
	return err
}

// another reports whether the application has opened a window that was not there
// before.
func (c *change) another(before []xproto.Window) bool {
	ids, err := c.ids()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(ids, func(id xproto.Window) bool {
		if slices.Contains(before, id) {
			return false
		}
		w, ok := c.describe(id)
		return ok && w.PID == c.now.PID && c.shown(id)
	})
}
