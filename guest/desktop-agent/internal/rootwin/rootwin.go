// Package rootwin watches and paints the root window of an X display: it says
// when a window manager has taken charge and when a program has shown a window,
// and gives the desktop a background. All of it is events; nothing polls.
//
// It opens connections of its own, for a short time, to the display that
// $XAUTHORITY has the key to.
package rootwin

import (
	"context"
	"errors"
	"fmt"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// errClosed is a connection that the server or the end of a context has ended.
var errClosed = errors.New("the connection to the X server has ended")

// root is a connection and the root window of its first screen.
type root struct {
	conn   *xgb.Conn
	window xproto.Window
}

// open connects until ctx ends. The function that it returns closes the
// connection.
func open(ctx context.Context, display string) (root, func(), error) {
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		return root{}, nil, fmt.Errorf("connect to display %q: %w", display, err)
	}
	stop := context.AfterFunc(ctx, conn.Close)
	r := root{conn, xproto.Setup(conn).DefaultScreen(conn).Root}
	return r, func() {
		if stop() {
			conn.Close()
		}
	}, nil
}

// watch asks for events of these kinds.
func (r root) watch(mask uint32) error {
	return xproto.ChangeWindowAttributesChecked(r.conn, r.window, xproto.CwEventMask, []uint32{mask}).Check()
}

// next waits for an event. Errors of requests without a reply come this way
// too and are not looked at.
func (r root) next(ctx context.Context) (xgb.Event, error) {
	for {
		event, xerr := r.conn.WaitForEvent()
		switch {
		case event != nil:
			return event, nil
		case xerr == nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case xerr == nil:
			return nil, errClosed
		}
	}
}

// has reports whether the root window has a property.
func (r root) has(atom xproto.Atom) (bool, error) {
	reply, err := xproto.GetProperty(r.conn, false, r.window, atom, xproto.GetPropertyTypeAny, 0, 0).Reply()
	return err == nil && reply.Type != xproto.AtomNone, err
}

func (r root) atom(name string) (xproto.Atom, error) {
	reply, err := xproto.InternAtom(r.conn, false, uint16(len(name)), name).Reply()
	if err != nil {
		return 0, fmt.Errorf("intern %s: %w", name, err)
	}
	return reply.Atom, nil
}

// Paint fills the background of the root window with a colour, 0xRRGGBB,
// unless somebody has painted it already.
func Paint(ctx context.Context, display string, colour uint32) error {
	r, done, err := open(ctx, display)
	if err != nil {
		return err
	}
	defer done()
	// Every program that sets a wallpaper leaves this property, as a
	// convention that Esetroot began.
	pixmap, err := r.atom("_XROOTPMAP_ID")
	if err != nil {
		return err
	}
	if painted, err := r.has(pixmap); painted || err != nil {
		return err
	}
	err = xproto.ChangeWindowAttributesChecked(r.conn, r.window, xproto.CwBackPixel, []uint32{colour}).Check()
	if err != nil {
		return fmt.Errorf("set background: %w", err)
	}
	return xproto.ClearAreaChecked(r.conn, false, r.window, 0, 0, 0, 0).Check()
}

// AwaitManager waits until a window manager that follows the Extended Window
// Manager Hints, section "Root Window Properties", says that it is there.
func AwaitManager(ctx context.Context, display string) error {
	r, done, err := open(ctx, display)
	if err != nil {
		return err
	}
	defer done()
	check, err := r.atom("_NET_SUPPORTING_WM_CHECK")
	if err != nil {
		return err
	}
	if err := r.watch(xproto.EventMaskPropertyChange); err != nil {
		return err
	}
	for {
		if there, err := r.has(check); there || err != nil {
			return err
		}
		if _, err := r.next(ctx); err != nil {
			return err
		}
	}
}

// Watch is a wait for the next window that some program shows.
type Watch struct {
	root root
	done func()
}

// WatchWindows begins to wait. The Watch must be closed.
func WatchWindows(ctx context.Context, display string) (*Watch, error) {
	r, done, err := open(ctx, display)
	if err != nil {
		return nil, err
	}
	if err := r.watch(xproto.EventMaskSubstructureNotify); err != nil {
		done()
		return nil, err
	}
	return &Watch{r, done}, nil
}

// Next returns when a window has been shown since the last call. Menus and
// tool tips are no windows. A window manager that puts windows into frames
// shows itself by the change of their parent.
func (w *Watch) Next(ctx context.Context) error {
	for {
		event, err := w.root.next(ctx)
		if err != nil {
			return err
		}
		switch e := event.(type) {
		case xproto.MapNotifyEvent:
			if !e.OverrideRedirect {
				return nil
			}
		case xproto.ReparentNotifyEvent:
			if e.Event == w.root.window && e.Parent != w.root.window {
				return nil
			}
		}
	}
}

// Close ends the wait.
func (w *Watch) Close() { w.done() }
