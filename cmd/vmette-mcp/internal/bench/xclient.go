package bench

import (
	"fmt"
	"image"
	"io"
	"log"
	"sync"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// xclient is an ordinary X client whose window covers the screen: it shows
// pictures and notes when it sees a button pressed.
type xclient struct {
	conn   *xgb.Conn
	window xproto.Window
	gc     xproto.Gcontext
	depth  byte
	size   image.Point
	clicks chan time.Time // when each press was seen
	reader sync.WaitGroup
}

func openXClient(display string) (*xclient, error) {
	xgb.Logger = log.New(io.Discard, "", 0) // it reports what comes back as an error
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		return nil, fmt.Errorf("open display %s: %w", display, err)
	}
	c := &xclient{conn: conn, clicks: make(chan time.Time, 16)}
	if err := c.openWindow(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("open window on %s: %w", display, err)
	}
	c.reader.Go(c.read)
	return c, nil
}

func (c *xclient) openWindow() error {
	screen := xproto.Setup(c.conn).DefaultScreen(c.conn)
	c.depth = screen.RootDepth
	c.size = image.Pt(int(screen.WidthInPixels), int(screen.HeightInPixels))
	var err error
	if c.window, err = xproto.NewWindowId(c.conn); err != nil {
		return err
	}
	if c.gc, err = xproto.NewGcontextId(c.conn); err != nil {
		return err
	}
	err = xproto.CreateWindowChecked(c.conn, c.depth, c.window, screen.Root, 0, 0,
		screen.WidthInPixels, screen.HeightInPixels, 0, xproto.WindowClassInputOutput, screen.RootVisual,
		xproto.CwOverrideRedirect|xproto.CwEventMask,
		[]uint32{1, xproto.EventMaskButtonPress}).Check()
	if err != nil {
		return err
	}
	if err := xproto.CreateGCChecked(c.conn, c.gc, xproto.Drawable(c.window), 0, nil).Check(); err != nil {
		return err
	}
	return xproto.MapWindowChecked(c.conn, c.window).Check()
}

func (c *xclient) read() {
	for {
		event, err := c.conn.WaitForEvent()
		if event == nil && err == nil {
			return
		}
		if _, ok := event.(xproto.ButtonPressEvent); ok {
			c.clicks <- time.Now()
		}
	}
}

// show puts img on the screen and returns when the X server has drawn it.
func (c *xclient) show(img *image.RGBA) error {
	const rows = 48 // of 1280 pixels fit in one request
	for y := 0; y < c.size.Y; y += rows {
		n := min(rows, c.size.Y-y)
		data := make([]byte, 0, n*c.size.X*4)
		for i := y * img.Stride; i < (y+n)*img.Stride; i += 4 {
			data = append(data, img.Pix[i+2], img.Pix[i+1], img.Pix[i], 0)
		}
		err := xproto.PutImageChecked(c.conn, xproto.ImageFormatZPixmap, xproto.Drawable(c.window), c.gc,
			uint16(c.size.X), uint16(n), 0, int16(y), 0, c.depth, data).Check()
		if err != nil {
			return fmt.Errorf("draw: %w", err)
		}
	}
	return nil
}

func (c *xclient) close() {
	c.conn.Close()
	c.reader.Wait()
}
