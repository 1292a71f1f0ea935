package x11

import (
	"bytes"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

// receiver keeps the picture that the frames of a Display describe.
type receiver struct {
	desktop.Mirror
	buf []byte
}

func (r *receiver) capture(t testing.TB, d *Display) desktop.Frame {
	t.Helper()
	frame, buf, err := d.Capture(t.Context(), r.buf[:0])
	if err != nil {
		t.Fatal(err)
	}
	r.buf = buf
	if err := r.Apply(&frame, buf); err != nil {
		t.Fatal(err)
	}
	return frame
}

// compare tells whether the picture is what the screen shows.
func (r *receiver) compare(t testing.TB, want []byte) {
	t.Helper()
	p, ok := r.Picture(false)
	if !ok {
		t.Fatal("there is no picture")
	}
	if len(p.Pix) != len(want) {
		t.Fatalf("the picture has %d bytes, the screen %d", len(p.Pix), len(want))
	}
	if bytes.Equal(p.Pix, want) {
		return
	}
	for i := 0; i < len(want); i += 4 { // the fourth byte means nothing
		if !bytes.Equal(p.Pix[i:i+3], want[i:i+3]) {
			t.Fatalf("pixel (%d, %d) is %x, the screen has %x", i/4%p.Size.Width, i/4/p.Size.Width, p.Pix[i:i+3], want[i:i+3])
		}
	}
}

func rects(f desktop.Frame) []desktop.Rect {
	var rs []desktop.Rect
	for _, p := range f.Rects {
		rs = append(rs, p.Rect)
	}
	return rs
}

func TestCaptureFollowsTheScreen(t *testing.T) {
	eachServer(t, func(t *testing.T, s *x11test.Server) {
		d := open(t, s.Display, Options{})
		if d.shared {
			t.Run("shared memory", func(t *testing.T) { followScreen(t, d, s) })
		} else {
			t.Error("the server has no shared memory")
		}
		plain := open(t, s.Display, Options{})
		plain.shared = false
		t.Run("socket", func(t *testing.T) { followScreen(t, plain, s) })
	})
}

func followScreen(t *testing.T, d *Display, s *x11test.Server) {
	p := newPainter(t, s.Display)
	whole := desktop.Rect{X1: testScreen.Width, Y1: testScreen.Height}
	var r receiver

	first := r.capture(t, d)
	if diff := cmp.Diff([]desktop.Rect{whole}, rects(first)); diff != "" || first.Base != 0 || first.Number != 1 {
		t.Errorf("first frame is %d on %d, rectangles (-want +got):\n%s", first.Number, first.Base, diff)
	}
	r.compare(t, p.pixels(t, testScreen))

	second := r.capture(t, d)
	if len(second.Rects) != 0 || second.Base != 1 || second.Number != 2 {
		t.Errorf("the frame of an unchanged screen is %d on %d with %v", second.Number, second.Base, rects(second))
	}

	spot := desktop.Rect{X0: 101, Y0: 203, X1: 104, Y1: 219}
	p.fill(spot, 0xff0000)
	if diff := cmp.Diff([]desktop.Rect{spot}, rects(r.capture(t, d))); diff != "" {
		t.Errorf("a small change (-want +got):\n%s", diff)
	}
	r.compare(t, p.pixels(t, testScreen))

	p.fill(spot, 0xff0000)
	if got := r.capture(t, d); len(got.Rects) != 0 {
		t.Errorf("what was painted in its own colour is in the frame: %v", rects(got))
	}

	p.noise(whole, 1)
	r.capture(t, d)
	r.compare(t, p.pixels(t, testScreen))

	random := rand.New(rand.NewPCG(3, 4))
	for range 15 {
		for range 1 + random.IntN(20) {
			x, y := random.IntN(testScreen.Width), random.IntN(testScreen.Height)
			p.fill(desktop.Rect{X0: x, Y0: y, X1: min(x+1+random.IntN(300), testScreen.Width), Y1: min(y+1+random.IntN(200), testScreen.Height)}, random.Uint32()&0xffffff)
		}
		r.capture(t, d)
		r.compare(t, p.pixels(t, testScreen))
	}
}

// While another client paints without end, what was missed comes with a later
// frame. Much of it is painted where damage was reported a moment before, of
// which the server says nothing.
func TestCaptureWhileTheScreenChanges(t *testing.T) {
	d, s := startDisplay(t)
	p := newPainter(t, s.Display)
	var r receiver
	for round := range 12 {
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			random := rand.New(rand.NewPCG(5, uint64(round)))
			for {
				select {
				case <-stop:
					return
				default:
					x, y := random.IntN(1200), random.IntN(700)
					p.fill(desktop.Rect{X0: x, Y0: y, X1: x + 1 + random.IntN(80), Y1: y + 1 + random.IntN(80)}, random.Uint32()&0xffffff)
				}
			}
		}()
		for range 6 {
			r.capture(t, d)
		}
		close(stop)
		<-stopped
		r.capture(t, d)
		r.compare(t, p.pixels(t, testScreen))
	}
}

func TestCaptureAfterReset(t *testing.T) {
	d, _ := startDisplay(t)
	var r receiver
	r.capture(t, d)
	r.capture(t, d)
	d.Reset()
	var fresh receiver
	if f := fresh.capture(t, d); f.Number != 1 || f.Base != 0 || f.Cursor == nil || f.Cursor.Len == 0 {
		t.Errorf("the frame after a reset is %d on %d with cursor %+v, want a whole picture", f.Number, f.Base, f.Cursor)
	}
}

func TestCaptureAppends(t *testing.T) {
	d, _ := startDisplay(t)
	f, buf, err := d.Capture(t.Context(), []byte("before"))
	if err != nil || !bytes.HasPrefix(buf, []byte("before")) {
		t.Fatalf("the buffer holds %.10q, %v", buf, err)
	}
	var m desktop.Mirror
	if err := m.Apply(&f, buf[len("before"):]); err != nil {
		t.Error(err)
	}
}

func TestCaptureAfterResize(t *testing.T) {
	d, s := startDisplay(t)
	var r receiver
	r.capture(t, d)
	small := desktop.Size{Width: 1024, Height: 768}
	if out, err := exec.Command("xrandr", "-display", s.Display, "-s", "1024x768").CombinedOutput(); err != nil {
		t.Fatalf("xrandr: %v\n%s", err, out)
	}
	p := newPainter(t, s.Display)
	f := r.capture(t, d)
	if f.Size != small || f.Base != 0 || d.Size() != small {
		t.Errorf("frame of %v on %d, display of %v, want a whole one of %v", f.Size, f.Base, d.Size(), small)
	}
	r.compare(t, p.pixels(t, small))
	if err := d.Move(t.Context(), desktop.Move{To: desktop.Point{X: 1100, Y: 10}}); err == nil {
		t.Error("a point outside the smaller screen was accepted")
	}
}

func TestCaptureCursor(t *testing.T) {
	d, s := startDisplay(t)
	p := newPainter(t, s.Display)
	var r receiver
	at := desktop.Point{X: 300, Y: 200}
	if err := d.Move(t.Context(), desktop.Move{To: at}); err != nil {
		t.Fatal(err)
	}
	first := r.capture(t, d).Cursor
	if first == nil || first.Pos != at || first.Len != first.Size.Width*first.Size.Height*4 {
		t.Fatalf("first cursor is %+v, want a picture at %v", first, at)
	}
	at.X = 310
	if err := d.Move(t.Context(), desktop.Move{To: at}); err != nil {
		t.Fatal(err)
	}
	moved := r.capture(t, d)
	if moved.Cursor.Pos != at || moved.Cursor.Len != 0 || moved.Cursor.Serial != first.Serial || len(moved.Rects) != 0 {
		t.Errorf("after a move the frame has %+v and %v, want the same shape at %v and no pixels", moved.Cursor, rects(moved), at)
	}
	p.setCursor(t)
	changed := r.capture(t, d).Cursor
	if changed.Serial == first.Serial || changed.Len == 0 || changed.Pos != at {
		t.Errorf("another shape is reported as %+v, want its picture at %v", changed, at)
	}
	with, _ := r.Picture(true)
	without, _ := r.Picture(false)
	if bytes.Equal(with.Pix, without.Pix) {
		t.Error("the cursor is not in the picture")
	}
}

// setCursor gives the window another cursor, from the server's own font.
func (p *painter) setCursor(t *testing.T) {
	t.Helper()
	font, err := xproto.NewFontId(p.conn)
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := xproto.NewCursorId(p.conn)
	if err != nil {
		t.Fatal(err)
	}
	const crosshair = 34
	xproto.OpenFont(p.conn, font, uint16(len("cursor")), "cursor")
	xproto.CreateGlyphCursor(p.conn, cursor, font, font, crosshair, crosshair+1, 0, 0, 0, 0xffff, 0xffff, 0xffff)
	err = xproto.ChangeWindowAttributesChecked(p.conn, p.window, xproto.CwCursor, []uint32{uint32(cursor)}).Check()
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkCaptureUnchanged(b *testing.B) {
	d, _ := startDisplay(b)
	var r receiver
	r.capture(b, d)
	for b.Loop() {
		f, buf, err := d.Capture(b.Context(), r.buf[:0])
		if err != nil || len(f.Rects) != 0 {
			b.Fatal(f, err)
		}
		r.buf = buf
	}
}

func BenchmarkCaptureSmallChange(b *testing.B) {
	benchmarkCapture(b, func(p *painter, n uint32) { p.fill(desktop.Rect{X0: 100, Y0: 100, X1: 180, Y1: 120}, n) })
}

func BenchmarkCaptureFlat(b *testing.B) {
	benchmarkCapture(b, func(p *painter, n uint32) { p.fill(desktop.Rect{X1: 1280, Y1: 800}, n) })
}

func BenchmarkCaptureNoise(b *testing.B) {
	benchmarkCapture(b, func(p *painter, n uint32) { p.noise(desktop.Rect{X1: 1280, Y1: 800}, uint64(n)) })
}

func benchmarkCapture(b *testing.B, paint func(p *painter, n uint32)) {
	d, s := startDisplay(b)
	p := newPainter(b, s.Display)
	_, buf, err := d.Capture(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	n := uint32(0)
	for b.Loop() {
		b.StopTimer()
		n++
		paint(p, n)
		b.StartTimer()
		f, out, err := d.Capture(b.Context(), buf[:0])
		if err != nil || len(f.Rects) == 0 {
			b.Fatal(f, err)
		}
		buf = out
	}
	b.ReportMetric(float64(len(buf)), "B/frame")
}
