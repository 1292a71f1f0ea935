package windows

import (
	"context"
	"errors"
	"fmt"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/res"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// Windows is the windows of one display.
type Windows struct {
	Display string // such as ":0"
}

// screen is a display and what is known of its window manager.
type screen struct {
	*x11.Conn
	managed   bool                 // whether there is a window manager
	supported map[xproto.Atom]bool // what it says that it does
	resources bool                 // whether the server tells the processes of its clients
	own       xproto.Window        // never shown; 0 before it is needed
}

// The names that are used of the ICCCM and EWMH.
const (
	wmState        = "WM_STATE"
	wmProtocols    = "WM_PROTOCOLS"
	wmDelete       = "WM_DELETE_WINDOW"
	wmChangeState  = "WM_CHANGE_STATE"
	netSupported   = "_NET_SUPPORTED"
	netCheck       = "_NET_SUPPORTING_WM_CHECK"
	netList        = "_NET_CLIENT_LIST"
	netStacking    = "_NET_CLIENT_LIST_STACKING"
	netActive      = "_NET_ACTIVE_WINDOW"
	netClose       = "_NET_CLOSE_WINDOW"
	netMoveResize  = "_NET_MOVERESIZE_WINDOW"
	netAskExtents  = "_NET_REQUEST_FRAME_EXTENTS"
	netExtents     = "_NET_FRAME_EXTENTS"
	gtkExtents     = "_GTK_FRAME_EXTENTS"
	netName        = "_NET_WM_NAME"
	netPID         = "_NET_WM_PID"
	netType        = "_NET_WM_WINDOW_TYPE"
	netState       = "_NET_WM_STATE"
	stateVert      = "_NET_WM_STATE_MAXIMIZED_VERT"
	stateHorz      = "_NET_WM_STATE_MAXIMIZED_HORZ"
	stateHidden    = "_NET_WM_STATE_HIDDEN"
	stateShaded    = "_NET_WM_STATE_SHADED"
	stateFull      = "_NET_WM_STATE_FULLSCREEN"
	utf8String     = "UTF8_STRING"
	typeNormalHint = "WM_SIZE_HINTS"
)

// notCounted are the types of windows that a person would not count (EWMH,
// "_NET_WM_WINDOW_TYPE").
var notCounted = []string{
	"_NET_WM_WINDOW_TYPE_DESKTOP", "_NET_WM_WINDOW_TYPE_DOCK", "_NET_WM_WINDOW_TYPE_SPLASH", "_NET_WM_WINDOW_TYPE_MENU",
	"_NET_WM_WINDOW_TYPE_DROPDOWN_MENU", "_NET_WM_WINDOW_TYPE_POPUP_MENU", "_NET_WM_WINDOW_TYPE_TOOLTIP",
	"_NET_WM_WINDOW_TYPE_NOTIFICATION", "_NET_WM_WINDOW_TYPE_COMBO", "_NET_WM_WINDOW_TYPE_DND",
}

var names = append([]string{
	wmState, wmProtocols, wmDelete, wmChangeState, netSupported, netCheck, netList, netStacking, netActive, netClose, netMoveResize,
	netAskExtents, netExtents, gtkExtents, netName, netPID, netType, netState, stateVert, stateHorz, stateHidden, stateShaded,
	stateFull, utf8String, typeNormalHint,
}, notCounted...)

// open connects until ctx ends.
func (w Windows) open(ctx context.Context) (*screen, error) {
	c, err := x11.Connect(ctx, w.Display)
	if err != nil {
		return nil, desktop.Errorf(desktop.CodeUnavailable, "the X server cannot be reached, nothing was done: %v", err)
	}
	s := &screen{Conn: c}
	if err := s.setUp(); err != nil {
		c.Close()
		return nil, failure(ctx, s, err)
	}
	return s, nil
}

func (s *screen) setUp() error {
	if err := s.Intern(names...); err != nil {
		return err
	}
	var err error
	if s.resources, err = s.Extension("X-Resource"); err != nil {
		return err
	}
	if s.resources {
		v, err := x11.Reply(s.Conn, res.QueryVersion(s.Conn.Conn, 1, 2))
		s.resources = err == nil && (v.ServerMajor > 1 || v.ServerMinor >= 2)
	}
	return s.findManager()
}

// findManager finds out whether there is a window manager: only one client can
// have asked for what windows want to be (ICCCM, section 4.1.4), and one that
// follows EWMH names a window that names itself.
func (s *screen) findManager() error {
	root, err := x11.Reply(s.Conn, xproto.GetWindowAttributes(s.Conn.Conn, s.Root))
	if err != nil {
		return fmt.Errorf("ask for the window manager: %w", err)
	}
	s.managed = root.AllEventMasks&xproto.EventMaskSubstructureRedirect != 0
	s.supported = make(map[xproto.Atom]bool)
	check := s.values(s.Root, netCheck, 1)
	if !s.managed || len(check) == 0 {
		return nil
	}
	if self := s.values(xproto.Window(check[0]), netCheck, 1); len(self) == 0 || self[0] != check[0] {
		return nil // one that has gone left it behind
	}
	for _, atom := range s.values(s.Root, netSupported, 1024) {
		s.supported[xproto.Atom(atom)] = true
	}
	return nil
}

// supports reports whether the window manager does what a name of EWMH means.
func (s *screen) supports(name string) bool { return s.supported[s.Known(name)] }

// property is a request for a property, to be waited for later.
type property struct {
	s      *screen
	cookie xproto.GetPropertyCookie
}

// ask asks for a property, up to a number of 32-bit words of it.
func (s *screen) ask(w xproto.Window, atom xproto.Atom, words uint32) property {
	return property{s, xproto.GetProperty(s.Conn.Conn, false, w, atom, xproto.GetPropertyTypeAny, 0, words)}
}

// reply returns the property, which has the type 0 when the window has none.
func (p property) reply() *xproto.GetPropertyReply {
	r, err := x11.Reply(p.s.Conn, p.cookie)
	if err != nil || r == nil {
		return new(xproto.GetPropertyReply) // the window is gone
	}
	return r
}

// words returns the values of a property of 32-bit ones.
func (p property) words() []uint32 {
	r := p.reply()
	if r.Format != 32 {
		return nil
	}
	words := make([]uint32, len(r.Value)/4)
	for i := range words {
		words[i] = xgb.Get32(r.Value[4*i:])
	}
	return words
}

// values returns up to n values of a property.
func (s *screen) values(w xproto.Window, name string, n uint32) []uint32 {
	return s.ask(w, s.Known(name), n).words()
}

// failure turns err into what a method of Windows returns.
func failure(ctx context.Context, s *screen, err error) error {
	var known *desktop.Error
	switch {
	case errors.As(err, &known):
		return known
	case ctx.Err() != nil:
		return desktop.Errorf(desktop.CodeCancelled, "stopped on request: the window manager may have been asked already")
	case s.Err() != nil:
		return desktop.Errorf(desktop.CodeUnavailable, "the X server went away: wait a moment and try again")
	}
	return desktop.Errorf(desktop.CodeInternal, "%v", err)
}

// caughtUp returns when the window manager has done what it was asked for before.
// It answers the question for the frame of a window that nobody sees (EWMH,
// "_NET_REQUEST_FRAME_EXTENTS"), if it knows that at all.
func (s *screen) caughtUp(ctx context.Context) {
	if !s.supports(netAskExtents) {
		return
	}
	if s.own == 0 {
		w, err := xproto.NewWindowId(s.Conn.Conn)
		if err != nil {
			return // the connection has ended, as the caller will find
		}
		s.own = w
		xproto.CreateWindow(s.Conn.Conn, xproto.WindowClassCopyFromParent, w, s.Root, -1, -1, 1, 1, 0, xproto.WindowClassInputOutput, 0,
			xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange})
	}
	s.Message(s.own, s.Known(netAskExtents))
	for {
		event, err := s.Next(ctx)
		if err != nil {
			return
		}
		if e, ok := event.(xproto.PropertyNotifyEvent); ok && e.Window == s.own {
			return
		}
	}
}
