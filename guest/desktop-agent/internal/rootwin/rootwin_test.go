package rootwin

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/jezek/xgb/xproto"
	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
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
	c, err := x11.Connect(t.Context(), display)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	img, err := xproto.GetImage(c.Conn, xproto.ImageFormatZPixmap, xproto.Drawable(c.Root), 10, 10, 1, 1, ^uint32(0)).Reply()
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
	c, err := x11.Connect(t.Context(), x.Display)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	atom, err := c.Atom("_XROOTPMAP_ID")
	if err != nil {
		t.Fatal(err)
	}
	err = xproto.ChangePropertyChecked(c.Conn, xproto.PropModeReplace, c.Root, atom, xproto.AtomPixmap, 32, 1, []byte{1, 0, 0, 0}).Check()
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
