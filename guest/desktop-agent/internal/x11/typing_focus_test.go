package x11

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/xprobe"
)

// bystander is a small window above the one that had the focus, and says when it
// gets the focus, first when it is opened.
type bystander struct {
	conn    *xgb.Conn
	before  xproto.Window // had the focus
	focused chan time.Time
	clicks  int
}

// bystanderAt is a place inside every bystander.
var bystanderAt = desktop.Point{X: 1200, Y: 740}

func newBystander(t testing.TB, d *Display) *bystander {
	t.Helper()
	if err := d.AwaitManager(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := xgb.NewConnDisplay(":" + d.settling.machine.display)
	if err != nil {
		t.Fatal(err)
	}
	b := &bystander{conn: conn, focused: make(chan time.Time, 16)}
	if b.before, err = d.focusedWindow(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	screen := xproto.Setup(conn).DefaultScreen(conn)
	w, err := xproto.NewWindowId(conn)
	if err != nil {
		t.Fatal(err)
	}
	atom := func(name string) xproto.Atom {
		r, err := xproto.InternAtom(conn, false, uint16(len(name)), name).Reply()
		if err != nil {
			t.Fatal(err)
		}
		return r.Atom
	}
	xproto.CreateWindow(conn, screen.RootDepth, w, screen.Root, 0, 0, 100, 60, 0, xproto.WindowClassInputOutput, screen.RootVisual,
		xproto.CwEventMask, []uint32{xproto.EventMaskFocusChange})
	words := func(property, kind xproto.Atom, values ...uint32) {
		data := make([]byte, 4*len(values))
		for i, v := range values {
			xgb.Put32(data[4*i:], v)
		}
		xproto.ChangeProperty(conn, xproto.PropModeReplace, w, property, kind, 32, uint32(len(values)), data)
	}
	active, err := xproto.GetProperty(conn, false, screen.Root, atom("_NET_ACTIVE_WINDOW"), xproto.AtomWindow, 0, 1).Reply()
	if err != nil {
		t.Fatal(err)
	}
	if active.ValueLen == 1 { // it lies above that one, even if it fills the screen
		words(xproto.AtomWmTransientFor, xproto.AtomWindow, xgb.Get32(active.Value))
	}
	const userPosition = 1 // ICCCM, section 4.1.2.3
	words(xproto.AtomWmNormalHints, xproto.AtomWmSizeHints, userPosition, uint32(bystanderAt.X-50), uint32(bystanderAt.Y-30), 100, 60,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	xproto.ConfigureWindow(conn, w, xproto.ConfigWindowX|xproto.ConfigWindowY, []uint32{uint32(bystanderAt.X - 50), uint32(bystanderAt.Y - 30)})
	xproto.MapWindow(conn, w)
	go func() {
		defer close(ended)
		for {
			event, xerr := conn.WaitForEvent()
			switch e := event.(type) {
			case nil:
				if xerr == nil {
					return
				}
			case xproto.FocusInEvent:
				if e.Detail != xproto.NotifyDetailPointer { // which means that the root window has it
					b.focused <- time.Now()
				}
			}
		}
	}()
	b.awaitFocus(t)
	return b
}

func (b *bystander) awaitFocus(t testing.TB) time.Time {
	t.Helper()
	select {
	case when := <-b.focused:
		return when
	case <-time.After(10 * time.Second):
		t.Fatal("the window has not got the focus within 10 s")
		return time.Time{}
	}
}

// giveBack gives the focus to the window that had it before.
func (b *bystander) giveBack(t testing.TB, d *Display) {
	t.Helper()
	xproto.SetInputFocus(d.conn, xproto.InputFocusParent, b.before, xproto.TimeCurrentTime)
	if err := d.AwaitManager(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// focusAfterClick clicks the bystander and returns how long it took from the call
// until it had the focus, and gives that back.
func (b *bystander) focusAfterClick(t testing.TB, d *Display) time.Duration {
	t.Helper()
	for len(b.focused) > 0 {
		<-b.focused
	}
	b.clicks++
	at := desktop.Point{X: bystanderAt.X - 40 + b.clicks%4*25, Y: bystanderAt.Y} // apart, or it waits for a double click to end
	start := time.Now()
	if err := d.Click(t.Context(), desktop.Click{Button: desktop.Left, Count: 1, At: &at}); err != nil {
		t.Fatal(err)
	}
	took := b.awaitFocus(t).Sub(start)
	b.giveBack(t, d)
	return took
}

// What is typed while no window has the focus reaches nobody. A window manager
// has the focus itself then. Keys are pressed, as they may be for that.
func TestTypeWithoutAFocus(t *testing.T) {
	refused := func(t *testing.T, d *Display) {
		t.Helper()
		err := d.Type(t.Context(), desktop.Type{Text: "x"})
		var e *desktop.Error
		if !errors.As(err, &e) || e.Code != desktop.CodeNotDelivered {
			t.Errorf("got %v, want a refusal", err)
		}
		for name, press := range map[string]func() error{
			"key":      func() error { return d.Key(t.Context(), desktop.Key{Keys: "F12"}) },
			"hold_key": func() error { return d.HoldKey(t.Context(), desktop.HoldKey{Keys: "F12", DurationMS: 1}) },
		} {
			if err := press(); err != nil {
				t.Error(err)
			}
			if got := d.Notices(); len(got) != 1 || !strings.Contains(got[0], "no window has the keyboard focus") {
				t.Errorf("%s says %q", name, got)
			}
		}
	}
	t.Run("no window", func(t *testing.T) {
		s := x11test.Start(t, testScreen)
		s.StartManager(t)
		refused(t, open(t, s.Display, Options{}))
	})
	t.Run("the window has closed", func(t *testing.T) {
		s := x11test.Start(t, testScreen)
		s.StartManager(t)
		d := open(t, s.Display, Options{})
		newBystander(t, d).conn.Close()
		if err := d.AwaitManager(t.Context()); err != nil {
			t.Fatal(err)
		}
		refused(t, d)
	})
	t.Run("taken away", func(t *testing.T) {
		d, s := startDisplay(t)
		p := newPainter(t, s.Display)
		if err := xproto.SetInputFocusChecked(p.conn, 0, xproto.InputFocusNone, 0).Check(); err != nil {
			t.Fatal(err)
		}
		refused(t, d)
	})
	t.Run("no window manager and nothing under the pointer", func(t *testing.T) {
		d, _ := startDisplay(t)
		refused(t, d)
	})
}

// When another program takes the focus, or nobody has it, the text ends, and it is
// told where.
func TestTypeWhileTheFocusMoves(t *testing.T) {
	text := strings.Repeat("abcdefghi ", 2000)
	for name, to := range map[string]func(p *painter) xproto.Window{
		"to another program": func(p *painter) xproto.Window { return p.window },
		"to no window":       func(*painter) xproto.Window { return xproto.InputFocusNone },
	} {
		t.Run(name, func(t *testing.T) {
			d, s := startDisplay(t)
			d.resources = false // all of these clients are of one process
			thief := newPainter(t, s.Display)
			p := probe(t, s, xprobe.Options{})
			typed := make(chan error, 1)
			go func() { typed <- d.Type(t.Context(), desktop.Type{Text: text}) }()
			presses := 0
			count := func(e xprobe.Event) {
				if e.Kind == xprobe.KeyPress {
					presses++
				}
			}
			for presses < 50 {
				count(next(t, p))
			}
			xproto.SetInputFocus(thief.conn, xproto.InputFocusParent, to(thief), xproto.TimeCurrentTime)
			var err error
			for typing := true; typing; {
				select {
				case e := <-p.Events():
					count(e)
				case err = <-typed:
					typing = false
				}
			}
			for _, e := range seen(t, d, p) {
				count(e)
			}
			var e *desktop.Error
			if !errors.As(err, &e) || e.Code != desktop.CodeNotDelivered {
				t.Fatalf("got %v, want not delivered", err)
			}
			var sure, perhaps int
			if _, err := fmt.Sscanf(e.Message[strings.Index(e.Message, "the first"):], "the first %d characters reached the window, those up to %d", &sure, &perhaps); err != nil {
				t.Fatalf("%q: %v", e.Message, err)
			}
			if presses < sure || presses > perhaps || perhaps == len(text) {
				t.Errorf("the window saw %d of %d characters, and it is told that it saw %d to %d", presses, len(text), sure, perhaps)
			}
		})
	}
}

// A program that moves the focus among its own windows, such as a form does, goes
// on getting the text.
func TestTypeWhileAProgramMovesItsFocus(t *testing.T) {
	d, s := startDisplay(t)
	p := newPainter(t, s.Display)
	field, err := xproto.NewWindowId(p.conn)
	if err != nil {
		t.Fatal(err)
	}
	screen := xproto.Setup(p.conn).DefaultScreen(p.conn)
	xproto.CreateWindow(p.conn, screen.RootDepth, field, p.window, 0, 0, 50, 50, 0, xproto.WindowClassInputOutput, screen.RootVisual, 0, nil)
	xproto.MapWindow(p.conn, field)
	p.sync()
	typed := make(chan error, 1)
	go func() { typed <- d.Type(t.Context(), desktop.Type{Text: strings.Repeat("abcdefghi ", 1000)}) }()
	for n := 0; ; n++ {
		select {
		case err := <-typed:
			if err := errors.Join(err, saysNothing(d)); err != nil {
				t.Error(err)
			}
			return
		default:
			xproto.SetInputFocus(p.conn, xproto.InputFocusParent, []xproto.Window{p.window, field}[n%2], xproto.TimeCurrentTime)
			p.sync()
		}
	}
}

// On a crowded machine a key may be down for longer than the server's delay
// until it repeats. That must not double it.
func TestTextDoesNotRepeat(t *testing.T) {
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	err := d.act(t.Context(), false, func() error {
		if err := d.loadKeymap(t.Context()); err != nil {
			return err
		}
		restore, err := d.suspendRepeat()
		if err != nil {
			return err
		}
		defer restore()
		d.pressKeys([]stroke{d.input.keys.strokes['a']})
		return d.pause(t.Context(), time.Second)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := brief(seen(t, d, p)), "+a -a"; got != want {
		t.Errorf("the program saw %s, want %s", got, want)
	}
	// What is held on purpose repeats.
	if err := d.HoldKey(t.Context(), desktop.HoldKey{Keys: "a", DurationMS: 1000}); err != nil {
		t.Fatal(err)
	}
	if events := seen(t, d, p); len(events) < 4 {
		t.Errorf("the program saw %s of a key that was held for a second, want it repeated", brief(events))
	}
}
