package windows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// changeLimit is how long a window manager and an application may take to do
// what was asked of them.
const changeLimit = 5 * time.Second

var errLimit = errors.New("it took too long")

// Change has a window changed and returns it as it then is, or nothing when it is
// gone. The notice is what the caller must know beside that, or empty. Its errors
// are *desktop.Error.
func (w Windows) Change(ctx context.Context, a desktop.ChangeWindow) (now []desktop.Window, notice string, err error) {
	s, err := w.open(ctx)
	if err != nil {
		return nil, "", err
	}
	defer s.Close()
	c := &change{screen: s, id: xproto.Window(a.ID)}
	if err := c.begin(); err != nil {
		return nil, "", failure(ctx, s, err)
	}
	limited, cancel := context.WithTimeoutCause(ctx, changeLimit, errLimit)
	defer cancel()
	if err := c.do(limited, a); err != nil {
		return nil, "", failure(ctx, s, err)
	}
	if c.gone {
		return nil, c.notice, nil
	}
	return []desktop.Window{c.now}, c.notice, nil
}

// change is a change that is under way.
type change struct {
	*screen
	id     xproto.Window
	now    desktop.Window
	gone   bool
	notice string
}

// begin finds the window and asks to be told what becomes of it.
func (c *change) begin() error {
	c.Watch(c.Root, xproto.EventMaskPropertyChange|xproto.EventMaskSubstructureNotify)
	c.Watch(c.id, xproto.EventMaskPropertyChange|xproto.EventMaskStructureNotify)
	c.look()
	if c.gone {
		if err := c.Err(); err != nil {
			return err
		}
		return desktop.Errorf(desktop.CodeInvalid, "there is no window with the id %d: list_windows tells the ids of those that are open", c.id)
	}
	return nil
}

// look brings up to date what is known of the window. A window that no
// application has open any more is gone, also while it exists.
func (c *change) look() {
	ids, err := c.ids()
	if err != nil {
		return
	}
	c.gone = true
	for _, id := range ids {
		if id != c.id {
			continue
		}
		if w, ok := c.describe(id); ok {
			w.Focused = c.active() == id
			c.now, c.gone = w, false
		}
	}
}

// until waits until the window is as wanted, and the window manager has done all
// that belongs to it. It is false when time runs out before.
func (c *change) until(ctx context.Context, wanted func(desktop.Window) bool) (bool, error) {
	for {
		c.look()
		if c.gone || wanted(c.now) {
			c.caughtUp(ctx)
			c.look()
			return true, c.Err()
		}
		if err := c.event(ctx); err != nil {
			if context.Cause(ctx) == errLimit {
				return false, nil
			}
			return false, err
		}
	}
}

// event waits for something to happen, and takes what has happened besides.
func (c *change) event(ctx context.Context) error {
	if _, err := c.Next(ctx); err != nil {
		return err
	}
	for {
		select {
		case _, ok := <-c.Events():
			if !ok {
				return c.Err()
			}
		default:
			return nil
		}
	}
}

func (c *change) do(ctx context.Context, a desktop.ChangeWindow) error {
	switch a.Do {
	case desktop.WindowFocus:
		return c.focus(ctx)
	case desktop.WindowMove:
		return c.move(ctx, *a.To)
	case desktop.WindowResize:
		return c.resize(ctx, *a.Region)
	case desktop.WindowMaximize:
		return c.maximize(ctx)
	case desktop.WindowMinimize:
		return c.minimize(ctx)
	case desktop.WindowRestore:
		return c.restore(ctx)
	case desktop.WindowClose:
		return c.close(ctx)
	}
	return desktop.Errorf(desktop.CodeInvalid, "windows cannot be changed by %q", a.Do)
}

// expect waits for what was asked of the window manager, which is reported as
// undone if it does not come.
func (c *change) expect(ctx context.Context, what string, wanted func(desktop.Window) bool) error {
	done, err := c.until(ctx, wanted)
	switch {
	case err != nil:
		return err
	case c.gone:
		return desktop.Errorf(desktop.CodeNotDelivered, "the window went away before it was %s: list_windows tells which are open", what)
	case !done:
		return desktop.Errorf(desktop.CodeNotDelivered, "the window was not %s within %v: %s", what, changeLimit, c.instead())
	}
	return nil
}

// instead says how the window is that should have become otherwise.
func (c *change) instead() string {
	n := c.now
	switch {
	case n.Minimized:
		return "it is minimized"
	case n.Full:
		return fmt.Sprintf("it fills the screen, at %v", n.Region)
	case n.Maximized:
		return fmt.Sprintf("it is maximized, at %v", n.Region)
	}
	where := fmt.Sprintf("it lies at %v", n.Region)
	if id := c.active(); id != 0 && id != c.id {
		if w, ok := c.describe(id); ok {
			where += fmt.Sprintf(", and the window %d, %q, has the keyboard", id, w.Title)
		}
	}
	return where + "; its application or the window manager may not allow it"
}

// need reports that there is no window manager to do something.
func (c *change) need(what string) error {
	if c.managed {
		return nil
	}
	return desktop.Errorf(desktop.CodeUnavailable, "no window manager runs on this desktop, and without one no window can be %s", what)
}
