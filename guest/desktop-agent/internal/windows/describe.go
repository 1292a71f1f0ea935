package windows

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/jezek/xgb/res"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

const (
	maxTitle = 512     // bytes of a title
	maxClass = 128     // bytes of a class
	maxPID   = 1 << 22 // the largest that Linux gives
	far      = 1 << 15 // pixels from the screen beyond which nothing is told
)

// margins are the widths of something around a rectangle.
type margins struct{ left, right, top, bottom int }

// around is what lies between the window of an application and the region that a
// person sees of it: the frame outside, and inside the shadow that some
// applications draw themselves.
type around struct{ frame, shadow margins }

func (a around) width() int  { return a.frame.left + a.frame.right - a.shadow.left - a.shadow.right }
func (a around) height() int { return a.frame.top + a.frame.bottom - a.shadow.top - a.shadow.bottom }

// describe returns what a window is, but for the focus. It is false for a window
// that is gone, or that nobody would count.
func (s *screen) describe(w xproto.Window) (desktop.Window, bool) {
	title, oldTitle := s.ask(w, s.Known(netName), maxTitle), s.ask(w, xproto.AtomWmName, maxTitle)
	class := s.ask(w, xproto.AtomWmClass, maxClass)
	kinds, states, state := s.ask(w, s.Known(netType), 16), s.ask(w, s.Known(netState), 32), s.ask(w, s.Known(wmState), 2)
	pid := s.pid(w)
	region, _, ok := s.place(w)
	d := desktop.Window{ID: uint32(w), Region: region, PID: pid(), Class: plain(className(class.reply().Value), maxClass)}

	name := title.reply()
	if old := oldTitle.reply(); len(name.Value) == 0 {
		name = old
	}
	d.Title = plain(s.text(name), maxTitle)

	set := states.words()
	has := func(name string) bool { return slices.Contains(set, uint32(s.Known(name))) }
	d.Maximized = has(stateVert) && has(stateHorz)
	d.Full = has(stateFull)
	const iconic = 3
	if s.supports(stateHidden) {
		d.Minimized = has(stateHidden) && !has(stateShaded)
	} else if v := state.words(); len(v) > 0 {
		d.Minimized = v[0] == iconic
	}
	if kind := kinds.words(); len(kind) > 0 && slices.ContainsFunc(notCounted, func(n string) bool { return uint32(s.Known(n)) == kind[0] }) {
		ok = false
	}
	return d, ok
}

// place returns where a window lies, with its frame, and what lies around it.
func (s *screen) place(w xproto.Window) (desktop.Rect, around, bool) {
	geometry := xproto.GetGeometry(s.Conn.Conn, xproto.Drawable(w))
	origin := xproto.TranslateCoordinates(s.Conn.Conn, w, s.Root, 0, 0)
	frame, shadow := s.ask(w, s.Known(netExtents), 4), s.ask(w, s.Known(gtkExtents), 4)
	g, err := x11.Reply(s.Conn, geometry)
	o, err2 := x11.Reply(s.Conn, origin)
	a := around{extents(frame.words()), extents(shadow.words())}
	if err != nil || err2 != nil {
		return desktop.Rect{}, a, false
	}
	if a.frame == (margins{}) {
		border := int(g.BorderWidth)
		a.frame = margins{border, border, border, border}
	}
	x, y := int(o.DstX)-a.frame.left+a.shadow.left, int(o.DstY)-a.frame.top+a.shadow.top
	width, height := max(int(g.Width)+a.width(), 0), max(int(g.Height)+a.height(), 0)
	return desktop.Rect{X0: near(x), Y0: near(y), X1: near(x + width), Y1: near(y + height)}, a, true
}

// extents reads the property of a frame: left, right, top, bottom. Any client can
// write it.
func extents(v []uint32) margins {
	if len(v) < 4 {
		return margins{}
	}
	for _, n := range v[:4] {
		if n > far {
			return margins{}
		}
	}
	return margins{int(v[0]), int(v[1]), int(v[2]), int(v[3])}
}

func near(n int) int { return min(max(n, -far), far) }

// pid asks for the process of a window. The server knows the process that has
// connected to it; what a window says of itself may be of another machine, or of
// a container that counts otherwise.
func (s *screen) pid(w xproto.Window) func() int {
	says := s.ask(w, s.Known(netPID), 1)
	var known res.QueryClientIdsCookie
	if s.resources {
		known = res.QueryClientIds(s.Conn.Conn, 1, []res.ClientIdSpec{{Client: uint32(w), Mask: res.ClientIdMaskLocalClientPID}})
	}
	return func() int {
		pid := 0
		if v := says.words(); len(v) == 1 && v[0] <= maxPID {
			pid = int(v[0])
		}
		if !s.resources {
			return pid
		}
		reply, err := x11.Reply(s.Conn, known)
		if err != nil {
			return pid
		}
		for _, id := range reply.Ids {
			if id.Spec.Mask&res.ClientIdMaskLocalClientPID != 0 && len(id.Value) > 0 && id.Value[0] <= maxPID && id.Value[0] > 0 {
				pid = int(id.Value[0])
			}
		}
		return pid
	}
}

// className takes the class out of WM_CLASS: the name of the instance, a NUL, the
// class, a NUL (ICCCM, section 4.1.2.5).
func className(value []byte) string {
	instance, class, _ := bytes.Cut(value, []byte{0})
	class, _, _ = bytes.Cut(class, []byte{0})
	if len(class) == 0 {
		class = instance
	}
	return latin1(class)
}

// text returns the text of a property. Of COMPOUND_TEXT, which shifts between the
// world's old character sets, the first one is read, which is ISO 8859-1.
func (s *screen) text(p *xproto.GetPropertyReply) string {
	if p.Type == s.Known(utf8String) {
		return string(p.Value)
	}
	return latin1(p.Value)
}

// latin1 reads a text that should be ISO 8859-1. Many programs write UTF-8 there.
func latin1(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

func plain(s string, limit int) string { return desktop.PlainLine(s, limit) }
