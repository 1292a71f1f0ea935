package windows

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a display for a test.
type desk struct {
	Windows
	server *x11test.Server
}

// newDesk starts a display with openbox on it, or without a window manager.
func newDesk(t *testing.T, managed bool) *desk {
	t.Helper()
	s := x11test.Start(t, desktop.Size{Width: 1280, Height: 800})
	if managed {
		s.StartManager(t)
	}
	return &desk{Windows{s.Display}, s}
}

// start starts a program until the end of the test, and returns its first window.
func (d *desk) start(t *testing.T, program string, args ...string) desktop.Window {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	watch, err := d.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+d.Display, "LC_ALL=C.UTF-8")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for {
		w, err := watch.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if w.PID == cmd.Process.Pid {
			return w
		}
	}
}

// gtk is a program whose window is called by its first argument and asks, if it
// has a second one, before it closes.
const gtk = `
import sys, gi
gi.require_version("Gtk", "3.0")
from gi.repository import Gtk
window = Gtk.Window(title=sys.argv[1])
window.set_default_size(300, 200)
def asks(*_):
    if len(sys.argv) < 3:
        Gtk.main_quit()
        return False
    Gtk.MessageDialog(transient_for=window, modal=True, text=sys.argv[2], buttons=Gtk.ButtonsType.YES_NO).show()
    return True
window.connect("delete-event", asks)
window.show()
Gtk.main()
`

func (d *desk) gtk(t *testing.T, args ...string) desktop.Window {
	t.Helper()
	return d.start(t, "/usr/bin/python3", append([]string{"-c", gtk}, args...)...)
}

// change changes a window and returns what it then is, or fails the test.
func (d *desk) change(t *testing.T, a desktop.ChangeWindow) (desktop.Window, string) {
	t.Helper()
	now, notice, err := d.Change(t.Context(), a)
	if err != nil {
		t.Errorf("%s: %v", a.Do, err)
	}
	if len(now) == 0 {
		return desktop.Window{}, notice
	}
	return now[0], notice
}

func (d *desk) list(t *testing.T) []desktop.Window {
	t.Helper()
	list, err := d.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func wantCode(t *testing.T, err error, code desktop.Code, text string) {
	t.Helper()
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("error %v, want code %s and %q", err, code, text)
	}
}

func TestListTellsWhatIsOpen(t *testing.T) {
	for _, managed := range []bool{true, false} {
		d := newDesk(t, managed)
		if got := d.list(t); len(got) != 0 {
			t.Errorf("an empty desktop has %v", got)
		}
		x := d.start(t, "xterm", "-title", "café", "-geometry", "40x10+100+120", "-class", "Special")
		g := d.gtk(t, "字 two\n\x1b[31mlines")
		got := d.list(t)
		if len(got) != 2 {
			t.Fatalf("managed %v: got %v", managed, got)
		}
		want := []desktop.Window{
			{ID: x.ID, Title: "café", Class: "Special", PID: x.PID},
			{ID: g.ID, Title: "字 two lines", Class: "-c", PID: g.PID},
		}
		loose := cmpopts.IgnoreFields(desktop.Window{}, "Region", "Focused")
		if diff := cmp.Diff(want, got, loose); diff != "" {
			t.Errorf("managed %v (-want +got):\n%s", managed, diff)
		}
		if r := got[0].Region; managed && (r.X0 != 100 || r.Y0 != 120) || r.Width() < 240 {
			t.Errorf("managed %v: the first window lies at %v", managed, r)
		}
		for _, w := range got {
			r := desktop.Response{OK: true, Windows: []desktop.Window{w}}
			if err := r.Validate(); err != nil {
				t.Errorf("managed %v: %v", managed, err)
			}
		}
	}
}

func TestListIsInOrder(t *testing.T) {
	d := newDesk(t, true)
	a, b := d.start(t, "xterm", "-title", "a"), d.start(t, "xterm", "-title", "b")
	order := func() string {
		var names []string
		for _, w := range d.list(t) {
			name := w.Title
			if w.Focused {
				name += "*"
			}
			names = append(names, name)
		}
		return strings.Join(names, " ")
	}
	for _, step := range []struct {
		id   uint32
		want string
	}{{a.ID, "b a*"}, {b.ID, "a b*"}, {a.ID, "b a*"}} {
		now, _ := d.change(t, desktop.ChangeWindow{ID: step.id, Do: desktop.WindowFocus})
		if !now.Focused {
			t.Errorf("the window is %+v", now)
		}
		if got := order(); got != step.want {
			t.Errorf("the order is %s, want %s", got, step.want)
		}
	}
}

func TestMoveAndResizeAreExact(t *testing.T) {
	for _, managed := range []bool{true, false} {
		d := newDesk(t, managed)
		w := d.gtk(t, "window")
		for _, p := range []desktop.Point{{X: 200, Y: 150}, {X: 0, Y: 0}, {X: 700, Y: 500}, {X: 700, Y: 500}} {
			now, _ := d.change(t, desktop.ChangeWindow{ID: w.ID, Do: desktop.WindowMove, To: &p})
			want := desktop.Rect{X0: p.X, Y0: p.Y, X1: p.X + w.Region.Width(), Y1: p.Y + w.Region.Height()}
			if now.Region != want {
				t.Errorf("managed %v: moved to %v it lies at %v, want %v", managed, p, now.Region, want)
			}
		}
		for _, r := range []desktop.Rect{{X0: 10, Y0: 20, X1: 610, Y1: 520}, {X0: 300, Y0: 0, X1: 1280, Y1: 800}, {X0: 0, Y0: 0, X1: 200, Y1: 100}} {
			now, notice := d.change(t, desktop.ChangeWindow{ID: w.ID, Do: desktop.WindowResize, Region: &r})
			if now.Region != r || notice != "" {
				t.Errorf("managed %v: resized to %v it lies at %v, %q", managed, r, now.Region, notice)
			}
		}
		if list := d.list(t); len(list) != 1 || list[0].Region != (desktop.Rect{X1: 200, Y1: 100}) {
			t.Errorf("managed %v: the list says %v", managed, list)
		}
	}
}

func TestResizeToWhatTheApplicationDoesNotAllow(t *testing.T) {
	d := newDesk(t, true)
	w := d.start(t, "xterm")
	r := desktop.Rect{X0: 50, Y0: 60, X1: 551, Y1: 463}
	now, notice := d.change(t, desktop.ChangeWindow{ID: w.ID, Do: desktop.WindowResize, Region: &r})
	got := now.Region
	if got.X0 != 50 || got.Y0 != 60 || got.X1 > r.X1 || got.Y1 > r.Y1 || got.X1 < r.X1-20 || got.Y1 < r.Y1-30 || notice == "" {
		t.Errorf("it lies at %v, %q; want the nearest number of characters below %v", got, notice, r)
	}
}

func TestMaximizeMinimizeRestore(t *testing.T) {
	d := newDesk(t, true)
	w := d.gtk(t, "window")
	before := w.Region
	do := func(verb desktop.WindowVerb) desktop.Window {
		now, _ := d.change(t, desktop.ChangeWindow{ID: w.ID, Do: verb})
		return now
	}
	if now := do(desktop.WindowMaximize); !now.Maximized || now.Region.Width() != 1280 || now.Region.Height() < 700 {
		t.Errorf("maximized: %+v", now)
	}
	if now := do(desktop.WindowMaximize); !now.Maximized {
		t.Errorf("maximized again: %+v", now)
	}
	if now := do(desktop.WindowMinimize); !now.Minimized || now.Focused {
		t.Errorf("minimized: %+v", now)
	}
	if list := d.list(t); len(list) != 1 || !list[0].Minimized {
		t.Errorf("the list says %+v", list)
	}
	if now := do(desktop.WindowFocus); now.Minimized || !now.Focused || !now.Maximized {
		t.Errorf("given the focus: %+v", now)
	}
	do(desktop.WindowMinimize)
	if now := do(desktop.WindowRestore); now.Minimized || now.Maximized || now.Region != before {
		t.Errorf("restored: %+v, want it at %v", now, before)
	}
	// A window is restored before it is moved.
	do(desktop.WindowMaximize)
	now, _ := d.change(t, desktop.ChangeWindow{ID: w.ID, Do: desktop.WindowMove, To: &desktop.Point{X: 30, Y: 40}})
	if want := (desktop.Rect{X0: 30, Y0: 40, X1: 30 + before.Width(), Y1: 40 + before.Height()}); now.Maximized || now.Region != want {
		t.Errorf("moved: %+v, want it at %v", now, want)
	}
}

func TestClose(t *testing.T) {
	d := newDesk(t, true)
	g, x := d.gtk(t, "window"), d.start(t, "xterm")
	for _, w := range []desktop.Window{g, x} {
		now, notice, err := d.Change(t.Context(), desktop.ChangeWindow{ID: w.ID, Do: desktop.WindowClose})
		if err != nil || len(now) > 0 || notice != "" {
			t.Errorf("%s: %v, %q, %v", w.Title, now, notice, err)
		}
		_, _, err = d.Change(t.Context(), desktop.ChangeWindow{ID: w.ID, Do: desktop.WindowFocus})
		wantCode(t, err, desktop.CodeInvalid, "list_windows")
	}
	if list := d.list(t); len(list) != 0 {
		t.Errorf("the list says %v", list)
	}
}

func TestCloseOfAWindowThatAsks(t *testing.T) {
	d := newDesk(t, true)
	w := d.gtk(t, "document", "Save?")
	begun := time.Now()
	now, notice := d.change(t, desktop.ChangeWindow{ID: w.ID, Do: desktop.WindowClose})
	if now.ID != w.ID || !strings.Contains(notice, "still open") {
		t.Errorf("%+v, %q", now, notice)
	}
	if took := time.Since(begun); took > changeLimit {
		t.Errorf("the question was there, but nobody noticed for %v", took)
	}
	if list := d.list(t); len(list) != 2 {
		t.Errorf("the list says %v", list)
	}
}

func TestWithoutAManager(t *testing.T) {
	d := newDesk(t, false)
	a, b := d.start(t, "xterm", "-title", "a"), d.start(t, "xterm", "-title", "b")
	for _, verb := range []desktop.WindowVerb{desktop.WindowMaximize, desktop.WindowMinimize, desktop.WindowRestore} {
		_, _, err := d.Change(t.Context(), desktop.ChangeWindow{ID: a.ID, Do: verb})
		wantCode(t, err, desktop.CodeUnavailable, "no window manager")
	}
	if now, _ := d.change(t, desktop.ChangeWindow{ID: a.ID, Do: desktop.WindowFocus}); !now.Focused {
		t.Errorf("%+v", now)
	}
	if list := d.list(t); list[1].ID != a.ID || !list[1].Focused || list[0].Focused {
		t.Errorf("the list says %v", list)
	}
	if now, _ := d.change(t, desktop.ChangeWindow{ID: b.ID, Do: desktop.WindowClose}); now.ID != 0 {
		t.Errorf("closed: %+v", now)
	}
}

func TestChangeIsCancelled(t *testing.T) {
	d := newDesk(t, true)
	w := d.gtk(t, "document")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := d.Change(ctx, desktop.ChangeWindow{ID: w.ID, Do: desktop.WindowClose})
	if err == nil {
		t.Error("a cancelled change was done")
	}
	if !slices.ContainsFunc(d.list(t), func(o desktop.Window) bool { return o.ID == w.ID }) {
		t.Error("the window was closed")
	}
}
