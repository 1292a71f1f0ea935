package rootwin

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a program on a display until the end of the test.
func start(t *testing.T, display, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(cmd.Environ(), "DISPLAY="+display)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

func pixel(t *testing.T, display string) uint32 {
	t.Helper()
	r, done, err := open(t.Context(), display)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	img, err := xproto.GetImage(r.conn, xproto.ImageFormatZPixmap, xproto.Drawable(r.window), 10, 10, 1, 1, ^uint32(0)).Reply()
	if err != nil {
		t.Fatal(err)
	}
	return uint32(img.Data[2])<<16 | uint32(img.Data[1])<<8 | uint32(img.Data[0])
}

func TestPaintLeavesAWallpaperAlone(t *testing.T) {
	x := x11test.Start(t, desktop.Size{Width: 320, Height: 200})
	if err := Paint(t.Context(), x.Display, 0x3b4252); err != nil {
		t.Fatal(err)
	}
	if got := pixel(t, x.Display); got != 0x3b4252 {
		t.Errorf("the background is %06x", got)
	}
	r, done, err := open(t.Context(), x.Display)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	atom, err := r.atom("_XROOTPMAP_ID")
	if err != nil {
		t.Fatal(err)
	}
	err = xproto.ChangePropertyChecked(r.conn, xproto.PropModeReplace, r.window, atom, xproto.AtomPixmap, 32, 1, []byte{1, 0, 0, 0}).Check()
	if err != nil {
		t.Fatal(err)
	}
	if err := Paint(t.Context(), x.Display, 0xffffff); err != nil {
		t.Fatal(err)
	}
	if got := pixel(t, x.Display); got != 0x3b4252 {
		t.Errorf("a wallpaper was painted over with %06x", got)
	}
}

func TestAwaitManager(t *testing.T) {
	x := x11test.Start(t, desktop.Size{Width: 320, Height: 200})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := AwaitManager(ctx, x.Display); err == nil {
		t.Error("a bare display has a window manager")
	}
	start(t, x.Display, "openbox", "--sm-disable")
	for range 2 { // while it comes, and when it is there
		if err := AwaitManager(t.Context(), x.Display); err != nil {
			t.Error(err)
		}
	}
}

func TestWatchSeesWindowsWithAndWithoutAManager(t *testing.T) {
	for _, manager := range []bool{false, true} {
		x := x11test.Start(t, desktop.Size{Width: 320, Height: 200})
		if manager {
			start(t, x.Display, "openbox", "--sm-disable")
			if err := AwaitManager(t.Context(), x.Display); err != nil {
				t.Fatal(err)
			}
		}
		w, err := WatchWindows(t.Context(), x.Display)
		if err != nil {
			t.Fatal(err)
		}
		start(t, x.Display, "xterm")
		if err := w.Next(t.Context()); err != nil {
			t.Errorf("with a manager %v: %v", manager, err)
		}
		w.Close()
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	x := x11test.Start(t, desktop.Size{Width: 320, Height: 200})
	ctx, cancel := context.WithCancel(t.Context())
	w, err := WatchWindows(ctx, x.Display)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cancel()
	if err := w.Next(ctx); err != context.Canceled {
		t.Errorf("Next: %v", err)
	}
}
