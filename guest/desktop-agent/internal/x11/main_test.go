package x11

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/xprobe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testScreen = desktop.Size{Width: 1280, Height: 800}

// open connects to a display for the length of a test.
func open(t testing.TB, display string, opts Options) *Display {
	t.Helper()
	d, err := Open(t.Context(), display, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// startDisplay starts a server and connects to it.
func startDisplay(t testing.TB) (*Display, *x11test.Server) {
	t.Helper()
	s := x11test.Start(t, testScreen)
	return open(t, s.Display, Options{}), s
}

// eachServer runs a test on every kind of X server that the driver is made for.
func eachServer(t *testing.T, test func(t *testing.T, s *x11test.Server)) {
	for _, program := range []string{"Xvnc", "Xvfb"} {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Errorf("%s is missing: install tigervnc-standalone-server and xvfb", program)
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			test(t, x11test.StartProgram(t, path, testScreen))
		})
	}
}

// probe opens a window that reports what it sees, and waits until it is there.
func probe(t testing.TB, s *x11test.Server, o xprobe.Options) *xprobe.Probe {
	t.Helper()
	p, err := xprobe.Open(s.Display, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if e := next(t, p); e.Kind != xprobe.Ready {
		t.Fatalf("the first event is %v, want ready", e.Kind)
	}
	return p
}

// next returns the next event that a probe sees.
func next(t testing.TB, p *xprobe.Probe) xprobe.Event {
	t.Helper()
	select {
	case e, ok := <-p.Events():
		if !ok {
			t.Fatal("the probe's connection ended")
		}
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("the probe saw no event within 10 s")
	}
	return xprobe.Event{}
}

// seen returns all events that p has seen until now. It presses a button that
// no test uses, past the driver, and waits for it.
func seen(t testing.TB, d *Display, p *xprobe.Probe) []xprobe.Event {
	t.Helper()
	d.fake(xproto.ButtonPress, byte(desktop.Forward), desktop.Point{})
	d.fake(xproto.ButtonRelease, byte(desktop.Forward), desktop.Point{})
	var events []xprobe.Event
	for {
		e := next(t, p)
		if e.Kind == xprobe.ButtonRelease && e.Detail == int(desktop.Forward) {
			return events
		}
		if e.Kind != xprobe.ButtonPress || e.Detail != int(desktop.Forward) {
			events = append(events, e)
		}
	}
}
