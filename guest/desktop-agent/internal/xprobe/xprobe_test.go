package xprobe_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"testing"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/xprobe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Run reports what arrives as lines of JSON, first that it is ready, until it
// is told to stop.
func TestRun(t *testing.T) {
	s := x11test.Start(t, desktop.Size{Width: 640, Height: 480})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- xprobe.Run(ctx, s.Display, xprobe.Options{Flash: true}, write) }()
	lines := bufio.NewScanner(read)
	next := func() xprobe.Event {
		for lines.Scan() {
			var e xprobe.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatalf("%v: %s", err, lines.Bytes())
			}
			// The first key of another keyboard makes it that of the display.
			if e.Kind != xprobe.Mapping {
				return e
			}
		}
		t.Fatal(lines.Err())
		return xprobe.Event{}
	}
	if e := next(); e.Kind != xprobe.Ready {
		t.Fatalf("the first event is %q, want ready", e.Kind)
	}
	conn, err := xgb.NewConnDisplay(s.Display)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := xtest.Init(conn); err != nil {
		t.Fatal(err)
	}
	root := xproto.Setup(conn).DefaultScreen(conn).Root
	fake := func(kind, detail byte, x, y int16) { xtest.FakeInput(conn, kind, detail, 0, root, x, y, 0) }
	fake(xproto.MotionNotify, 0, 639, 479)
	fake(xproto.ButtonPress, 3, 0, 0)
	fake(xproto.ButtonRelease, 3, 0, 0)
	fake(xproto.KeyPress, 38, 0, 0) // a
	fake(xproto.KeyRelease, 38, 0, 0)
	want := []xprobe.Event{
		{Kind: xprobe.ButtonPress, Detail: 3, X: 639, Y: 479},
		{Kind: xprobe.ButtonRelease, Detail: 3, X: 639, Y: 479, State: xproto.ButtonMask3},
		{Kind: xprobe.KeyPress, Detail: 38, Keysym: 'a', X: 639, Y: 479},
		{Kind: xprobe.KeyRelease, Detail: 38, Keysym: 'a', X: 639, Y: 479},
	}
	for _, w := range want {
		e := next()
		if e.Time == 0 || e.RealNS == 0 {
			t.Errorf("%q has no time", e.Kind)
		}
		e.Time, e.RealNS = 0, 0
		if e != w {
			t.Errorf("got %+v, want %+v", e, w)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOpenWithoutAServer(t *testing.T) {
	if _, err := xprobe.Open(":54321", xprobe.Options{}); err == nil {
		t.Error("a display that is not there was opened")
	}
}
