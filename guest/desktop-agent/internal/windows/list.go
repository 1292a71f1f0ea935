package windows

import (
	"context"
	"fmt"
	"slices"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// List returns the windows that applications have open, from the lowest to the
// topmost; of more than desktop.MaxWindows, the topmost. Its errors are
// *desktop.Error.
func (w Windows) List(ctx context.Context) ([]desktop.Window, error) {
	s, err := w.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	list, err := s.list()
	if err != nil {
		return nil, failure(ctx, s, err)
	}
	return list, nil
}

func (s *screen) list() ([]desktop.Window, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	active := s.active()
	var list []desktop.Window
	for _, id := range slices.Backward(ids) {
		if len(list) == desktop.MaxWindows {
			break
		}
		if w, ok := s.describe(id); ok {
			w.Focused = id == active
			list = append(list, w)
		}
	}
	slices.Reverse(list)
	return list, s.Err()
}

// ids returns the windows that the window manager manages, or else those that
// are shown, from the lowest to the topmost.
func (s *screen) ids() ([]xproto.Window, error) {
	for _, name := range []string{netStacking, netList} {
		if !s.supports(name) {
			continue
		}
		var ids []xproto.Window
		for _, id := range s.values(s.Root, name, 4*desktop.MaxWindows) {
			ids = append(ids, xproto.Window(id))
		}
		return ids, s.Err()
	}
	tree, err := x11.Reply(s.Conn, xproto.QueryTree(s.Conn.Conn, s.Root))
	if err != nil {
		return nil, fmt.Errorf("list the windows: %w", err)
	}
	var ids []xproto.Window
	for _, top := range tree.Children {
		if id := s.client(top, 3); id != 0 {
			ids = append(ids, id)
		} else if s.shown(top) && !s.managed {
			ids = append(ids, top)
		}
	}
	return ids, nil
}

// client returns the window of an application in the frame that a window manager
// has made for it, or 0. Window managers mark it with WM_STATE (ICCCM, section
// 4.1.3.1).
func (s *screen) client(w xproto.Window, depth int) xproto.Window {
	if s.ask(w, s.Known(wmState), 2).reply().Type != 0 {
		return w
	}
	if depth == 0 {
		return 0
	}
	tree, err := x11.Reply(s.Conn, xproto.QueryTree(s.Conn.Conn, w))
	if err != nil {
		return 0
	}
	for _, child := range tree.Children {
		if found := s.client(child, depth-1); found != 0 {
			return found
		}
	}
	return 0
}

// shown reports whether a window is on the screen, as one that a window manager
// would care for.
func (s *screen) shown(w xproto.Window) bool {
	a, err := x11.Reply(s.Conn, xproto.GetWindowAttributes(s.Conn.Conn, w))
	return err == nil && a.MapState == xproto.MapStateViewable && !a.OverrideRedirect && a.Class == xproto.WindowClassInputOutput
}

// active returns the window that has the keyboard, or 0.
func (s *screen) active() xproto.Window {
	if s.supports(netActive) {
		if v := s.values(s.Root, netActive, 1); len(v) == 1 {
			return xproto.Window(v[0])
		}
		return 0
	}
	focus, err := x11.Reply(s.Conn, xproto.GetInputFocus(s.Conn.Conn))
	if err != nil {
		return 0
	}
	for w, depth := focus.Focus, 0; w > xproto.InputFocusPointerRoot && depth < 16; depth++ {
		if s.ask(w, s.Known(wmState), 2).reply().Type != 0 {
			return w
		}
		tree, err := x11.Reply(s.Conn, xproto.QueryTree(s.Conn.Conn, w))
		if err != nil {
			return 0
		}
		if tree.Parent == s.Root {
			return w
		}
		w = tree.Parent
	}
	return 0
}
