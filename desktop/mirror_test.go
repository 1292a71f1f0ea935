package desktop

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"
	"sync"
	"testing"
)

// paint is a frame that paints raw rectangles, each with one colour.
func paint(number, base uint64, s Size, patches map[Rect]byte, order ...Rect) (*Frame, []byte) {
	f := &Frame{Number: number, Base: base, Size: s}
	var payload []byte
	for _, r := range order {
		n := r.Width() * r.Height() * 4
		f.Rects = append(f.Rects, Patch{r, Raw, n})
		payload = append(payload, bytes.Repeat([]byte{patches[r]}, n)...)
	}
	return f, payload
}

// whole is a whole frame of one colour.
func whole(number uint64, s Size, colour byte) (*Frame, []byte) {
	r := Rect{0, 0, s.Width, s.Height}
	return paint(number, 0, s, map[Rect]byte{r: colour}, r)
}

func apply(t *testing.T, m *Mirror, f *Frame, payload []byte) {
	t.Helper()
	if err := m.Apply(f, payload); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

// blues returns the blue of each pixel, row by row, with a dot for black.
func blues(p Picture) string {
	var rows []string
	for y := range p.Size.Height {
		row := make([]byte, p.Size.Width)
		for x := range row {
			if row[x] = p.Pix[(y*p.Size.Width+x)*4]; row[x] == 0 {
				row[x] = '.'
			}
		}
		rows = append(rows, string(row))
	}
	return strings.Join(rows, "/")
}

func wantPicture(t *testing.T, m *Mirror, withCursor bool, number uint64, want string) {
	t.Helper()
	p, ok := m.Picture(withCursor)
	if !ok {
		t.Fatal("there is no picture")
	}
	if got := blues(p); got != want || p.Frame != number {
		t.Errorf("frame %d is %s, want frame %d, %s", p.Frame, got, number, want)
	}
}

func TestMirrorAppliesFrames(t *testing.T) {
	var m Mirror
	if _, ok := m.Picture(true); ok {
		t.Error("there is a picture before the first frame")
	}
	if _, err := m.Region(Rect{0, 0, 1, 1}, true); err == nil {
		t.Error("there is a region before the first frame")
	}
	s := Size{4, 3}
	f, pix := whole(1, s, 'a')
	apply(t, &m, f, pix)
	wantPicture(t, &m, false, 1, "aaaa/aaaa/aaaa")

	// Rectangles are painted in order: the later one is on top.
	left, right := Rect{1, 0, 3, 2}, Rect{2, 1, 4, 3}
	f, pix = paint(2, 1, s, map[Rect]byte{left: 'b', right: 'c'}, left, right)
	apply(t, &m, f, pix)
	wantPicture(t, &m, false, 2, "abba/abcc/aacc")

	// Nothing changed, and the guest skipped a number.
	apply(t, &m, &Frame{Number: 9, Base: 2, Size: s}, nil)
	wantPicture(t, &m, false, 9, "abba/abcc/aacc")

	// A whole picture is painted on black, in another size or the same.
	corner := Rect{0, 0, 1, 1}
	f, pix = paint(10, 0, Size{2, 2}, map[Rect]byte{corner: 'd'}, corner)
	apply(t, &m, f, pix)
	wantPicture(t, &m, false, 10, "d./..")
	f, pix = paint(11, 0, Size{2, 2}, map[Rect]byte{{1, 1, 2, 2}: 'e'}, Rect{1, 1, 2, 2})
	apply(t, &m, f, pix)
	wantPicture(t, &m, false, 11, "../.e")
	if m.Size() != (Size{2, 2}) {
		t.Errorf("Size = %v", m.Size())
	}
}

func TestMirrorRegion(t *testing.T) {
	var m Mirror
	f, pix := whole(1, Size{4, 3}, 'a')
	apply(t, &m, f, pix)
	spot := Rect{2, 1, 3, 2}
	f, pix = paint(2, 1, Size{4, 3}, map[Rect]byte{spot: 'b'}, spot)
	apply(t, &m, f, pix)
	p, err := m.Region(Rect{1, 1, 4, 3}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := blues(p); got != "aba/aaa" || p.Origin != (Point{1, 1}) || p.Size != (Size{3, 2}) {
		t.Errorf("region is %s at %v", got, p.Origin)
	}
	for _, r := range []Rect{{0, 0, 5, 3}, {-1, 0, 2, 2}, {2, 2, 2, 3}} {
		if _, err := m.Region(r, false); err == nil {
			t.Errorf("Region(%v) succeeded", r)
		}
	}
}

// A picture is a copy: it outlives later frames, and may be drawn on.
func TestMirrorPictureIsACopy(t *testing.T) {
	var m Mirror
	f, pix := whole(1, Size{2, 1}, 'a')
	apply(t, &m, f, pix)
	p, _ := m.Picture(false)
	p.Pix[0] = 'x'
	wantPicture(t, &m, false, 1, "aa")
	f, pix = whole(2, Size{2, 1}, 'b')
	apply(t, &m, f, pix)
	if got := blues(p); got != "xa" {
		t.Errorf("picture became %s", got)
	}
}

// cursorFrame moves the pointer. Without pix its picture is one sent before.
func cursorFrame(number, base uint64, s Size, pos Point, serial uint32, size Size, pix ...byte) (*Frame, []byte) {
	return &Frame{Number: number, Base: base, Size: s, Cursor: &Cursor{Pos: pos, Hot: Point{1, 0}, Size: size, Serial: serial, Len: len(pix)}}, pix
}

func TestMirrorCursor(t *testing.T) {
	var m Mirror
	s := Size{4, 2}
	f, pix := whole(1, s, 100)
	apply(t, &m, f, pix)
	// Two pixels: an opaque one and one that lets half of the screen through.
	f, pix = cursorFrame(2, 1, s, Point{2, 1}, 7, Size{2, 1}, 'X', 0, 0, 255, 10, 0, 0, 127)
	apply(t, &m, f, pix)
	wantPicture(t, &m, false, 2, "dddd/dddd")
	wantPicture(t, &m, true, 2, "dddd/dX<d") // '<' is 10 + 100*128/255
	clear(pix)

	// Its picture is remembered, as a copy; at the edge it is cut off.
	f, pix = cursorFrame(3, 2, s, Point{0, 0}, 7, Size{2, 1})
	apply(t, &m, f, pix)
	wantPicture(t, &m, true, 3, "<ddd/dddd")
	f, pix = cursorFrame(4, 3, s, Point{3, 1}, 7, Size{2, 1})
	apply(t, &m, f, pix)
	wantPicture(t, &m, true, 4, "dddd/ddX<")

	// A region has its own corner, and tells where the pointer is all the same.
	p, err := m.Region(Rect{2, 1, 4, 2}, true)
	if err != nil || blues(p) != "X<" || p.Pointer != (Point{3, 1}) {
		t.Errorf("region is %s with pointer %v, %v", blues(p), p.Pointer, err)
	}

	// A frame without a cursor leaves it; a whole picture without one has none.
	apply(t, &m, &Frame{Number: 5, Base: 4, Size: s}, nil)
	wantPicture(t, &m, true, 5, "dddd/ddX<")
	f, pix = whole(6, s, 100)
	apply(t, &m, f, pix)
	wantPicture(t, &m, true, 6, "dddd/dddd")
}

// Colours that are brighter than their alpha allows do not wrap around.
func TestMirrorCursorSaturates(t *testing.T) {
	var m Mirror
	f, pix := whole(1, Size{2, 1}, 200)
	apply(t, &m, f, pix)
	f, pix = cursorFrame(2, 1, Size{2, 1}, Point{1, 0}, 1, Size{1, 1}, 100, 100, 100, 0)
	apply(t, &m, f, pix)
	p, _ := m.Picture(true)
	if p.Pix[0] != 255 {
		t.Errorf("200 under 100 with alpha 0 is %d, want 255", p.Pix[0])
	}
}

func TestMirrorRemembersCursors(t *testing.T) {
	var m Mirror
	s := Size{2, 1}
	f, pix := whole(1, s, 'a')
	apply(t, &m, f, pix)
	number := uint64(1)
	send := func(serial uint32, pix ...byte) error {
		f, payload := cursorFrame(number+1, number, s, Point{1, 0}, serial, Size{1, 1}, pix...)
		number++
		return m.Apply(f, payload)
	}
	for serial := range uint32(CursorShapes) {
		if err := send(serial, 'A'+byte(serial), 0, 0, 255); err != nil {
			t.Fatal(err)
		}
	}
	if err := send(0); err != nil {
		t.Fatal(err)
	}
	wantPicture(t, &m, true, number, "Aa")
	// Sending one again makes it the newest instead of a second one.
	if err := send(0, 'Z', 0, 0, 255); err != nil {
		t.Fatal(err)
	}
	if err := send(99, 'N', 0, 0, 255); err != nil { // pushes out serial 1
		t.Fatal(err)
	}
	if err := send(0); err != nil {
		t.Fatal(err)
	}
	wantPicture(t, &m, true, number, "Za")
	if err := send(1); err == nil {
		t.Error("the oldest picture was still there")
	}
}

// After a broken frame there is no picture rather than half of one.
func TestMirrorRefuses(t *testing.T) {
	s := Size{2, 1}
	full := Rect{0, 0, 2, 1}
	tests := []struct {
		name    string
		frame   Frame
		payload []byte
		want    string
	}{
		{"old number", Frame{Number: 3, Base: 0, Size: s}, nil, "comes after frame 3"},
		{"other base", Frame{Number: 4, Base: 2, Size: s}, nil, "changes frame 2, but the last one is 3"},
		{"base of itself", Frame{Number: 4, Base: 4, Size: s}, nil, "base 4"},
		{"number 0", Frame{Size: s}, nil, "number is 0"},
		{"new size without a whole picture", Frame{Number: 4, Base: 3, Size: Size{1, 1}}, nil, "size from 2x1 to 1x1"},
		{"no size", Frame{Number: 4}, nil, "0x0"},
		{"off the screen", Frame{Number: 4, Size: s, Rects: []Patch{{Rect{0, 0, 3, 1}, Raw, 12}}}, make([]byte, 12), "not on a screen"},
		{"upside down", Frame{Number: 4, Size: s, Rects: []Patch{{Rect{0, 1, 2, 0}, Raw, 0}}}, nil, "not on a screen"},
		{"too much paint", Frame{Number: 4, Size: s, Rects: []Patch{{full, RLE, 8}, {full, RLE, 8}, {full, RLE, 8}}}, make([]byte, 24), "more than twice"},
		{"missing bytes", Frame{Number: 4, Size: s, Rects: []Patch{{full, Raw, 8}}}, make([]byte, 7), "7 bytes instead of 8"},
		{"negative length", Frame{Number: 4, Size: s, Rects: []Patch{{full, RLE, -1}}}, nil, "-1 bytes"},
		{"lengths that overflow", Frame{Number: 4, Size: s, Rects: []Patch{{full, RLE, 1 << 62}, {full, RLE, 1 << 62}}}, nil, "bytes"},
		{"unknown encoding", Frame{Number: 4, Size: s, Rects: []Patch{{full, "zip", 0}}}, nil, `"zip"`},
		{"bad runs", Frame{Number: 4, Size: s, Rects: []Patch{{full, RLE, 4}}}, make([]byte, 4), "decode runs"},
		{"unknown cursor", Frame{Number: 4, Size: s, Cursor: &Cursor{Size: Size{1, 1}, Serial: 4}}, nil, "was not sent"},
		{"cursor off the screen", Frame{Number: 4, Size: s, Cursor: &Cursor{Pos: Point{2, 0}, Size: Size{1, 1}}}, nil, "position (2, 0)"},
		{"cursor too large", Frame{Number: 4, Size: s, Cursor: &Cursor{Size: Size{257, 1}}}, nil, "257x1"},
		{"cursor of no size", Frame{Number: 4, Size: s, Cursor: &Cursor{}}, nil, "0x0"},
		{"hot spot outside", Frame{Number: 4, Size: s, Cursor: &Cursor{Hot: Point{2, 0}, Size: Size{1, 1}}}, nil, "hot spot"},
		{"cursor cut short", Frame{Number: 4, Size: s, Cursor: &Cursor{Size: Size{1, 1}, Len: 3}}, make([]byte, 3), "3 bytes instead of 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Mirror
			f, pix := whole(3, s, 'a')
			apply(t, &m, f, pix)
			err := m.Apply(&tt.frame, tt.payload)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if p, ok := m.Picture(true); ok {
				t.Errorf("there still is a picture of frame %d", p.Frame)
			}
			f, pix = whole(5, s, 'b')
			apply(t, &m, f, pix)
			wantPicture(t, &m, true, 5, "bb")
		})
	}
}

func TestMirrorConcurrent(t *testing.T) {
	var m Mirror
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				p, ok := m.Picture(true)
				if !ok {
					continue
				}
				for i := range p.Pix {
					if p.Pix[i] != byte(p.Frame) {
						t.Errorf("frame %d has a pixel of frame %d", p.Frame, p.Pix[i])
						return
					}
				}
			}
		})
	}
	for n := range uint64(200) {
		f, pix := whole(n+1, Size{30 + int(n)%3, 20}, byte(n+1))
		apply(t, &m, f, pix)
	}
	close(stop)
	wg.Wait()
}

func TestPictureImage(t *testing.T) {
	img := Picture{Size: Size{2, 1}, Pix: []byte{1, 2, 3, 0, 4, 5, 6, 0}}.Image()
	if got := img.At(1, 0); got != (color.RGBA{6, 5, 4, 255}) {
		t.Errorf("pixel (1, 0) is %v", got)
	}
	if got := img.At(2, 0); got != (color.RGBA{}) {
		t.Errorf("pixel outside is %v", got)
	}
}

// FuzzMirror applies what a hostile guest might send after a good frame.
func FuzzMirror(f *testing.F) {
	f.Add([]byte(`{"number":2,"base":1,"size":[4,3],"rects":[{"rect":[0,0,2,1],"enc":"raw","len":8}]}`), make([]byte, 8))
	f.Add([]byte(`{"number":2,"base":0,"size":[9,9],"cursor":{"pos":[8,8],"hot":[1,1],"size":[1,1],"serial":1,"len":4}}`), make([]byte, 4))
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		var frame Frame
		if err := Unmarshal(header, &frame); err != nil {
			return
		}
		var m Mirror
		first, pix := whole(1, Size{4, 3}, 'a')
		apply(t, &m, first, pix)
		if err := m.Apply(&frame, payload); err != nil {
			return
		}
		p, ok := m.Picture(true)
		if !ok || p.Frame != frame.Number || p.Size != frame.Size || len(p.Pix) != p.Size.Width*p.Size.Height*4 {
			t.Errorf("frame %+v gave a picture of %v, frame %d, %v", frame, p.Size, p.Frame, ok)
		}
	})
}

func BenchmarkMirrorPicture(b *testing.B) {
	var m Mirror
	f, pix := whole(1, Size{1280, 800}, 'a')
	if err := m.Apply(f, pix); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(pix)))
	for b.Loop() {
		if _, ok := m.Picture(true); !ok {
			b.Fatal("no picture")
		}
	}
}

func ExampleMirror() {
	var m Mirror
	pix := []byte{255, 0, 0, 0, 0, 0, 255, 0} // a blue pixel and a red one
	enc, payload := AppendPatch(nil, pix, 8, Rect{0, 0, 2, 1})
	err := m.Apply(&Frame{
		Number: 1,
		Size:   Size{2, 1},
		Rects:  []Patch{{Rect: Rect{0, 0, 2, 1}, Encoding: enc, Len: len(payload)}},
	}, payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, _ := m.Picture(false)
	fmt.Println(p.Size, p.Image().At(1, 0))
	// Output: 2x1 {255 0 0 255}
}
