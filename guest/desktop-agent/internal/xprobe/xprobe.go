// Package xprobe is an X client that says what it sees.
//
// It opens a window, takes the keyboard focus, and reports each event that
// arrives with the time of its arrival. Tests compare the reports with what was
// to be done; measurements subtract the time at which it was asked for.
package xprobe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// Options configure a [Probe]. The zero value covers the whole screen.
type Options struct {
	Area   desktop.Rect // of the window; empty means the whole screen
	Flash  bool         // paint the whole window in another colour at each press of a button
	Motion bool         // report motion too
}

// Kind says what an [Event] is.
type Kind string

// The kinds of events.
const (
	Ready         Kind = "ready" // the window is there and has the focus; always the first
	KeyPress      Kind = "key_press"
	KeyRelease    Kind = "key_release"
	ButtonPress   Kind = "button_press"
	ButtonRelease Kind = "button_release"
	Motion        Kind = "motion"
	Mapping       Kind = "mapping" // the keymap has changed
)

// Event is something that the window saw.
type Event struct {
	Kind   Kind   `json:"kind"`
	Detail int    `json:"detail"` // button or keycode
	Keysym uint32 `json:"keysym"` // of a key, as its modifiers choose it; 0 for none
	State  uint16 `json:"state"`  // modifiers and buttons that were down before it
	X      int    `json:"x"`      // on the screen
	Y      int    `json:"y"`
	Time   uint32 `json:"time"` // of the server, in milliseconds
	RealNS int64  `json:"real_ns"`

	// Seen is when the event arrived, for use within the process; RealNS is
	// the same in nanoseconds since 1970, for other processes of the machine.
	Seen time.Time `json:"-"`
}

// Probe is the window. Close it.
type Probe struct {
	conn   *xgb.Conn
	screen *xproto.ScreenInfo
	window xproto.Window
	gc     xproto.Gcontext
	area   desktop.Rect
	opts   Options
	keys   *xproto.GetKeyboardMappingReply
	colour uint32
	events chan Event
	done   chan struct{} // closed by the reader
	stop   chan struct{} // closed by Close
}

// Open opens a window on a display such as ":0".
func Open(display string, o Options) (*Probe, error) {
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		return nil, fmt.Errorf("connect to display %q: %w", display, err)
	}
	p := &Probe{
		conn: conn, screen: xproto.Setup(conn).DefaultScreen(conn), opts: o, area: o.Area,
		events: make(chan Event, 1024), done: make(chan struct{}), stop: make(chan struct{}),
	}
	if p.area == (desktop.Rect{}) {
		p.area = desktop.Rect{X1: int(p.screen.WidthInPixels), Y1: int(p.screen.HeightInPixels)}
	}
	if err := p.show(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("open a window: %w", err)
	}
	go p.read()
	return p, nil
}

func (p *Probe) show() (err error) {
	if p.window, err = xproto.NewWindowId(p.conn); err != nil {
		return err
	}
	mask := uint32(xproto.EventMaskKeyPress | xproto.EventMaskKeyRelease | xproto.EventMaskButtonPress |
		xproto.EventMaskButtonRelease | xproto.EventMaskExposure)
	if p.opts.Motion {
		mask |= xproto.EventMaskPointerMotion
	}
	// Without a window manager in between, the window is where it was put.
	const overrideRedirect = 1
	xproto.CreateWindow(p.conn, p.screen.RootDepth, p.window, p.screen.Root, int16(p.area.X0), int16(p.area.Y0),
		uint16(p.area.Width()), uint16(p.area.Height()), 0, xproto.WindowClassInputOutput, p.screen.RootVisual,
		xproto.CwBackPixel|xproto.CwOverrideRedirect|xproto.CwEventMask, []uint32{p.screen.WhitePixel, overrideRedirect, mask})
	if p.gc, err = xproto.NewGcontextId(p.conn); err != nil {
		return err
	}
	xproto.CreateGC(p.conn, p.gc, xproto.Drawable(p.window), 0, nil)
	if err := xproto.MapWindowChecked(p.conn, p.window).Check(); err != nil {
		return err
	}
	return p.readKeys()
}

func (p *Probe) readKeys() (err error) {
	setup := xproto.Setup(p.conn)
	p.keys, err = xproto.GetKeyboardMapping(p.conn, setup.MinKeycode, byte(setup.MaxKeycode-setup.MinKeycode+1)).Reply()
	return err
}

// Events returns what the window sees. The channel is closed when the
// connection has ended. Whoever opened the probe must drain it.
func (p *Probe) Events() <-chan Event { return p.events }

// Close closes the window and the connection.
func (p *Probe) Close() {
	close(p.stop)
	p.conn.Close()
	<-p.done
}

func (p *Probe) read() {
	defer close(p.done)
	defer close(p.events)
	for {
		e, xerr := p.conn.WaitForEvent()
		if e == nil && xerr == nil {
			return
		}
		now := time.Now()
		event, ok := p.event(e)
		if !ok {
			continue
		}
		event.Seen, event.RealNS = now, now.UnixNano()
		select {
		case p.events <- event:
		case <-p.stop:
		}
	}
}

// event describes e, and does what the window does about it.
func (p *Probe) event(e xgb.Event) (Event, bool) {
	switch e := e.(type) {
	case xproto.ExposeEvent:
		if e.Count > 0 {
			return Event{}, false
		}
		return Event{Kind: Ready}, p.focus() == nil
	case xproto.KeyPressEvent:
		return p.key(KeyPress, e), true
	case xproto.KeyReleaseEvent:
		return p.key(KeyRelease, xproto.KeyPressEvent(e)), true
	case xproto.ButtonPressEvent:
		if p.opts.Flash {
			p.flash()
		}
		return button(ButtonPress, e), true
	case xproto.ButtonReleaseEvent:
		return button(ButtonRelease, xproto.ButtonPressEvent(e)), true
	case xproto.MotionNotifyEvent:
		return Event{Kind: Motion, State: e.State, X: int(e.RootX), Y: int(e.RootY), Time: uint32(e.Time)}, true
	case xproto.MappingNotifyEvent:
		// As every client does: the meaning of keys from here on is what the
		// server says now.
		return Event{Kind: Mapping}, p.readKeys() == nil
	}
	return Event{}, false
}

func (p *Probe) focus() error {
	return xproto.SetInputFocusChecked(p.conn, xproto.InputFocusPointerRoot, p.window, xproto.TimeCurrentTime).Check()
}

func (p *Probe) key(kind Kind, e xproto.KeyPressEvent) Event {
	return Event{
		Kind: kind, Detail: int(e.Detail), Keysym: p.keysym(e), State: e.State,
		X: int(e.RootX), Y: int(e.RootY), Time: uint32(e.Time),
	}
}

// keysym applies the rule of the core protocol (X Window System Protocol,
// chapter 5) to the first layout, with AltGr as XKB's servers describe it.
func (p *Probe) keysym(e xproto.KeyPressEvent) uint32 {
	width := int(p.keys.KeysymsPerKeycode)
	row := p.keys.Keysyms[int(e.Detail-xproto.Setup(p.conn).MinKeycode)*width:][:width]
	column := 0
	if e.State&xproto.ModMask5 != 0 && width > 5 {
		column = 4
	}
	if e.State&xproto.ModMaskShift != 0 && row[column+1] != 0 {
		column++
	}
	return uint32(row[column])
}

func button(kind Kind, e xproto.ButtonPressEvent) Event {
	return Event{Kind: kind, Detail: int(e.Detail), State: e.State, X: int(e.RootX), Y: int(e.RootY), Time: uint32(e.Time)}
}

// flash paints the window in the next of two colours.
func (p *Probe) flash() {
	p.colour ^= p.screen.WhitePixel ^ 0x336699
	xproto.ChangeGC(p.conn, p.gc, xproto.GcForeground, []uint32{p.screen.WhitePixel ^ p.colour})
	xproto.PolyFillRectangle(p.conn, xproto.Drawable(p.window), p.gc,
		[]xproto.Rectangle{{Width: uint16(p.area.Width()), Height: uint16(p.area.Height())}})
}

// Run opens a probe and writes each event to w as a line of JSON, until ctx
// ends.
func Run(ctx context.Context, display string, o Options, w io.Writer) error {
	p, err := Open(display, o)
	if err != nil {
		return err
	}
	defer p.Close()
	out := json.NewEncoder(w)
	for {
		select {
		case e, ok := <-p.Events():
			if !ok {
				return errors.New("the X server went away")
			}
			if err := out.Encode(e); err != nil {
				return fmt.Errorf("report an event: %w", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}
