package x11

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/xprobe"
)

func TestResizedScreenIsSeenAndPointedAt(t *testing.T) {
	ctx := context.Background()
	d, s := startDisplay(t)
	if _, _, err := d.Capture(ctx, nil); err != nil {
		t.Fatal(err)
	}
	sizes := []desktop.Size{{Width: 1024, Height: 768}, {Width: 1921, Height: 1081}, {Width: 200, Height: 1000}, {Width: 1280, Height: 200}, {Width: 1921, Height: 1081}, testScreen}
	for _, size := range sizes {
		if err := d.Resize(ctx, desktop.ResizeScreen{Size: size}); err != nil {
			t.Errorf("%v: %v", size, err)
			continue
		}
		if d.Size() != size {
			t.Errorf("the size is %v, want %v", d.Size(), size)
		}
		frame, payload, err := d.Capture(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := desktop.Response{OK: true, Frame: &frame, PayloadLen: len(payload)}
		if err := r.Validate(); err != nil || frame.Base != 0 || frame.Size != size || len(frame.Rects) != 1 || frame.Rects[0].Rect != (desktop.Rect{X1: size.Width, Y1: size.Height}) {
			t.Errorf("%v: the next frame is %+v, %v; want a whole one", size, frame, err)
		}
		corner := desktop.Point{X: size.Width - 1, Y: size.Height - 1}
		if err := d.Move(ctx, desktop.Move{To: corner}); err != nil {
			t.Errorf("%v: %v", size, err)
		}
		if p, err := d.Pointer(ctx); err != nil || p != corner {
			t.Errorf("%v: the pointer is at %v, %v", size, p, err)
		}
		err = d.Move(ctx, desktop.Move{To: desktop.Point{X: size.Width, Y: 0}})
		wantInvalid(t, err, "outside the screen")
	}
	out, err := exec.Command("xrandr", "-display", s.Display).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(out), modePrefix); n > 1 {
		t.Errorf("%d modes of earlier sizes are left:\n%s", n, out)
	}
}

func TestResizeKeepsWhatIsHeld(t *testing.T) {
	ctx := context.Background()
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	seen(t, d, p)
	err := errors.Join(
		d.KeyDown(ctx, desktop.KeyDown{Keys: "shift"}),
		d.Resize(ctx, desktop.ResizeScreen{Size: desktop.Size{Width: 800, Height: 600}}),
		d.KeyUp(ctx, desktop.KeyUp{Keys: "shift"}))
	if got := brief(seen(t, d, p)); err != nil || got != "+Shift_L -Shift_L" {
		t.Errorf("the application saw %s, %v", got, err)
	}
}

func TestResizeBeyondWhatTheServerTakes(t *testing.T) {
	ctx := context.Background()
	eachServer(t, func(t *testing.T, s *x11test.Server) {
		d := open(t, s.Display, Options{})
		err := d.Resize(ctx, desktop.ResizeScreen{Size: desktop.Size{Width: 8192, Height: 8192}})
		wantInvalid(t, err, "too large")
		small := desktop.Size{Width: 640, Height: 480}
		if err := d.Resize(ctx, desktop.ResizeScreen{Size: small}); err != nil || d.Size() != small {
			t.Errorf("the size is %v, %v; want %v", d.Size(), err, small)
		}
	})
	path, err := exec.LookPath("Xvfb")
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, x11test.StartProgram(t, path, testScreen).Display, Options{})
	wantInvalid(t, d.Resize(ctx, desktop.ResizeScreen{Size: desktop.Size{Width: 1920, Height: 1080}}), "to 1280x800")
	if d.Size() != testScreen {
		t.Errorf("the size is %v", d.Size())
	}
}

func wantInvalid(t *testing.T, err error, text string) {
	t.Helper()
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeInvalid || !strings.Contains(e.Message, text) {
		t.Errorf("got error %v, want an invalid action and %q", err, text)
	}
}
