package x11

import (
	"testing"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

// framed is a window that a window manager has put into a frame.
type framed struct {
	conn   *xgb.Conn
	root   xproto.Window
	window xproto.Window
}

func newFramed(t *testing.T, d *Display, s *x11test.Server) *framed {
	t.Helper()
	conn, err := xgb.NewConnDisplay(s.Display)
	if err != nil {
		t.Fatal(err)
	}
	screen := xproto.Setup(conn).DefaultScreen(conn)
	f := &framed{conn: conn, root: screen.Root}
	if f.window, err = xproto.NewWindowId(conn); err != nil {
		t.Fatal(err)
	}
	shown, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			event, xerr := conn.WaitForEvent()
			if event == nil && xerr == nil {
				return
			}
			if _, ok := event.(xproto.MapNotifyEvent); ok {
				close(shown)
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	xproto.CreateWindow(conn, screen.RootDepth, f.window, f.root, 0, 0, 400, 300, 0, xproto.WindowClassInputOutput, screen.RootVisual,
		xproto.CwBackPixel|xproto.CwEventMask, []uint32{screen.WhitePixel, xproto.EventMaskStructureNotify})
	xproto.MapWindow(conn, f.window)
	select {
	case <-shown:
	case <-ended:
		t.Fatal("the X server went away before the window was shown")
	}
	if err := d.AwaitManager(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// inside is the window without its frame, on the screen.
func (f *framed) inside(t *testing.T) desktop.Rect {
	t.Helper()
	at, err := xproto.TranslateCoordinates(f.conn, f.window, f.root, 0, 0).Reply()
	if err != nil {
		t.Fatal(err)
	}
	size, err := xproto.GetGeometry(f.conn, xproto.Drawable(f.window)).Reply()
	if err != nil {
		t.Fatal(err)
	}
	x, y := int(at.DstX), int(at.DstY)
	return desktop.Rect{X0: x, Y0: y, X1: x + int(size.Width), Y1: y + int(size.Height)}
}

// A window manager takes a drag for one, whichever actions it is made of, and
// has done what it is for when they are done.
func TestDragOfAFrame(t *testing.T) {
	const dx, dy = 211, 137
	type drag func(d *Display, from, to desktop.Point) error
	path := func(modifiers ...string) drag {
		return func(d *Display, from, to desktop.Point) error {
			return d.Drag(t.Context(), desktop.Drag{Button: desktop.Left, Path: []desktop.Point{from, to}, Modifiers: modifiers})
		}
	}
	parts := func(d *Display, from, to desktop.Point) error {
		if err := d.Move(t.Context(), desktop.Move{To: from}); err != nil {
			return err
		}
		if err := d.ButtonDown(t.Context(), desktop.ButtonDown{Button: desktop.Left}); err != nil {
			return err
		}
		if err := d.Move(t.Context(), desktop.Move{To: to}); err != nil {
			return err
		}
		return d.ButtonUp(t.Context(), desktop.ButtonUp{Button: desktop.Left})
	}
	title := func(r desktop.Rect) desktop.Point { return desktop.Point{X: (r.X0 + r.X1) / 2, Y: r.Y0 - 8} }
	middle := func(r desktop.Rect) desktop.Point { return desktop.Point{X: (r.X0 + r.X1) / 2, Y: (r.Y0 + r.Y1) / 2} }
	below := func(r desktop.Rect) desktop.Point { return desktop.Point{X: (r.X0 + r.X1) / 2, Y: r.Y1 + 1} }
	moved := func(r desktop.Rect) desktop.Rect {
		return desktop.Rect{X0: r.X0 + dx, Y0: r.Y0 + dy, X1: r.X1 + dx, Y1: r.Y1 + dy}
	}
	taller := func(r desktop.Rect) desktop.Rect {
		return desktop.Rect{X0: r.X0, Y0: r.Y0, X1: r.X1, Y1: r.Y1 + dy}
	}
	tests := []struct {
		name string
		from func(desktop.Rect) desktop.Point
		drag drag
		want func(desktop.Rect) desktop.Rect
	}{
		{"title bar", title, path(), moved},
		{"title bar, button by button", title, parts, moved},
		{"with Alt", middle, path("alt"), moved},
		{"lower edge", below, path(), taller},
		{"lower edge, button by button", below, parts, taller},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := x11test.Start(t, testScreen)
			s.StartManager(t)
			d := open(t, s.Display, Options{})
			f := newFramed(t, d, s)
			before := f.inside(t)
			from := tt.from(before)
			if err := tt.drag(d, from, desktop.Point{X: from.X + dx, Y: from.Y + dy}); err != nil {
				t.Fatal(err)
			}
			if got, want := f.inside(t), tt.want(before); got != want {
				t.Errorf("the window is at %v, was at %v, want %v", got, before, want)
			}
		})
	}
}
