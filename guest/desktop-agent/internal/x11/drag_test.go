package x11

import (
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// dropper is a program that grabs the pointer when a button is pressed on it, and
// lets go of it a time after the release.
type dropper struct {
	conn  *xgb.Conn
	taken chan struct{}  // when it has grabbed
	free  chan time.Time // when it let go
}

func newDropper(t *testing.T, display string, after time.Duration) *dropper {
	t.Helper()
	p := newPainter(t, display) // its window lies below
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		t.Fatal(err)
	}
	r := &dropper{conn: conn, taken: make(chan struct{}, 1), free: make(chan time.Time, 1)}
	quit, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		close(quit)
		conn.Close()
		<-ended
	})
	const mask = xproto.EventMaskButtonPress | xproto.EventMaskButtonRelease
	if err := xproto.ChangeWindowAttributesChecked(conn, p.window, xproto.CwEventMask, []uint32{mask}).Check(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(ended)
		for {
			event, xerr := conn.WaitForEvent()
			switch event.(type) {
			case nil:
				if xerr == nil {
					return
				}
			case xproto.ButtonPressEvent:
				_, _ = xproto.GrabPointer(conn, false, p.window, mask, xproto.GrabModeAsync, xproto.GrabModeAsync, 0, 0, 0).Reply()
				r.taken <- struct{}{}
			case xproto.ButtonReleaseEvent:
				select {
				case <-time.After(after):
				case <-quit:
				}
				r.free <- time.Now()
				xproto.UngrabPointer(conn, 0)
			}
		}
	}()
	return r
}

// A program takes its time to drop what was dragged.
func TestDragEndsWithTheDrop(t *testing.T) {
	drags := map[string]func(d *Display, r *dropper) error{
		"drag": func(d *Display, _ *dropper) error {
			return d.Drag(t.Context(), desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 100, Y: 100}, {X: 200, Y: 100}}})
		},
		"button up": func(d *Display, r *dropper) error {
			if err := d.ButtonDown(t.Context(), desktop.ButtonDown{Button: desktop.Left}); err != nil {
				return err
			}
			<-r.taken
			if err := d.Move(t.Context(), desktop.Move{To: desktop.Point{X: 300, Y: 300}}); err != nil {
				return err
			}
			return d.ButtonUp(t.Context(), desktop.ButtonUp{Button: desktop.Left})
		},
	}
	for name, drag := range drags {
		t.Run(name, func(t *testing.T) {
			d, s := startDisplay(t)
			r := newDropper(t, s.Display, 200*time.Millisecond)
			if err := drag(d, r); err != nil {
				t.Fatal(err)
			}
			select {
			case <-r.free:
			default:
				t.Error("it ended before the program had let go of the pointer")
			}
		})
	}
}

// One that keeps the pointer, for a menu perhaps, is not waited for, but it is
// told: keys may be lost.
func TestDragEndsWithAMenu(t *testing.T) {
	d, s := startDisplay(t)
	newDropper(t, s.Display, time.Minute)
	start := time.Now()
	if err := d.Drag(t.Context(), desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 100, Y: 100}, {X: 200, Y: 100}}}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < dropTime || took > dropTime+5*time.Second {
		t.Errorf("it took %v, want a little more than %v", took, dropTime)
	}
	if got := d.Notices(); len(got) != 1 || !strings.Contains(got[0], "keeps the mouse") {
		t.Errorf("it says %q", got)
	}
}
