package x11

import (
	"math/rand/v2"
	"testing"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// painter is another client that draws.
type painter struct {
	conn   *xgb.Conn
	root   xproto.Window
	window xproto.Window
	gc     xproto.Gcontext
}

func newPainter(t testing.TB, display string) *painter {
	t.Helper()
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for {
			if event, xerr := conn.WaitForEvent(); event == nil && xerr == nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-drained
	})
	screen := xproto.Setup(conn).DefaultScreen(conn)
	p := &painter{conn: conn, root: screen.Root}
	if p.window, err = xproto.NewWindowId(conn); err != nil {
		t.Fatal(err)
	}
	if p.gc, err = xproto.NewGcontextId(conn); err != nil {
		t.Fatal(err)
	}
	const overrideRedirect = 1
	xproto.CreateWindow(conn, screen.RootDepth, p.window, p.root, 0, 0, screen.WidthInPixels, screen.HeightInPixels, 0,
		xproto.WindowClassInputOutput, screen.RootVisual, xproto.CwBackPixel|xproto.CwOverrideRedirect, []uint32{0x203040, overrideRedirect})
	xproto.CreateGC(conn, p.gc, xproto.Drawable(p.window), 0, nil)
	xproto.MapWindow(conn, p.window)
	p.sync()
	return p
}

// sync returns when the server has drawn everything.
func (p *painter) sync() { p.conn.Sync() }

func (p *painter) fill(r desktop.Rect, colour uint32) {
	xproto.ChangeGC(p.conn, p.gc, xproto.GcForeground, []uint32{colour})
	xproto.PolyFillRectangle(p.conn, xproto.Drawable(p.window), p.gc,
		[]xproto.Rectangle{{X: int16(r.X0), Y: int16(r.Y0), Width: uint16(r.Width()), Height: uint16(r.Height())}})
	p.sync()
}

// noise paints random pixels, which no encoding makes smaller, into r.
func (p *painter) noise(r desktop.Rect, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	const rows = 32 // what fits a request
	for y := r.Y0; y < r.Y1; y += rows {
		height := min(rows, r.Y1-y)
		data := make([]byte, r.Width()*height*4)
		for i := 0; i+8 <= len(data); i += 8 {
			xgb.Put32(data[i:], random.Uint32())
			xgb.Put32(data[i+4:], random.Uint32())
		}
		xproto.PutImage(p.conn, xproto.ImageFormatZPixmap, xproto.Drawable(p.window), p.gc,
			uint16(r.Width()), uint16(height), int16(r.X0), int16(y), 0, 24, data)
	}
	p.sync()
}

// pixels reads the screen the plain way.
func (p *painter) pixels(t testing.TB, s desktop.Size) []byte {
	t.Helper()
	r, err := xproto.GetImage(p.conn, xproto.ImageFormatZPixmap, xproto.Drawable(p.root), 0, 0,
		uint16(s.Width), uint16(s.Height), allPlanes).Reply()
	if err != nil {
		t.Fatal(err)
	}
	return r.Data
}
