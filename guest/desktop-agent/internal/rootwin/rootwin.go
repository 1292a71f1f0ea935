// Package rootwin makes a bare X display a desktop: it gives the root window a
// background and says when a window manager has taken charge. That is an event;
// nothing polls.
//
// It opens connections of its own, for a short time, to the display that
// $XAUTHORITY has the key to.
package rootwin

import (
	"context"
	"fmt"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// has reports whether the root window has a property.
func has(c *x11.Conn, name string) (bool, error) {
	atom, err := c.Atom(name)
	if err != nil {
		return false, err
	}
	reply, err := x11.Reply(c, xproto.GetProperty(c.Conn, false, c.Root, atom, xproto.GetPropertyTypeAny, 0, 0))
	if err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	return reply.Type != xproto.AtomNone, nil
}

// Paint fills the background of the root window with a colour, 0xRRGGBB,
// unless somebody has painted it already.
func Paint(ctx context.Context, display string, colour uint32) error {
	c, err := x11.Connect(ctx, display)
	if err != nil {
		return err
	}
	defer c.Close()
	// Every program that sets a wallpaper leaves this property, as a
	// convention that Esetroot began.
	if painted, err := has(c, "_XROOTPMAP_ID"); painted || err != nil {
		return err
	}
	err = xproto.ChangeWindowAttributesChecked(c.Conn, c.Root, xproto.CwBackPixel, []uint32{colour}).Check()
	if err != nil {
		return fmt.Errorf("set background: %w", err)
	}
	return xproto.ClearAreaChecked(c.Conn, false, c.Root, 0, 0, 0, 0).Check()
}

// AwaitManager waits until a window manager that follows the Extended Window
// Manager Hints, section "Root Window Properties", says that it is there.
func AwaitManager(ctx context.Context, display string) error {
	c, err := x11.Connect(ctx, display)
	if err != nil {
		return err
	}
	defer c.Close()
	c.Watch(c.Root, xproto.EventMaskPropertyChange)
	for {
		if there, err := has(c, "_NET_SUPPORTING_WM_CHECK"); there || err != nil {
			return err
		}
		if _, err := c.Next(ctx); err != nil {
			return err
		}
	}
}
