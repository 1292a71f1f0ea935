package picture

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
)

func solid(size desktop.Size, px [4]byte) desktop.Picture {
	return desktop.Picture{Frame: 1, Size: size, Pix: bytes.Repeat(px[:], size.Width*size.Height)}
}

func noise(size desktop.Size) desktop.Picture {
	p := solid(size, [4]byte{})
	r := rand.New(rand.NewPCG(1, 2))
	for i := range p.Pix {
		p.Pix[i] = byte(r.Uint32())
	}
	return p
}

// drawing is a desktop of windows with something like text in them.
func drawing(size desktop.Size) desktop.Picture {
	p := solid(size, [4]byte{0x60, 0x40, 0x30, 0})
	r := rand.New(rand.NewPCG(3, 4))
	for range 12 {
		x0, y0 := r.IntN(size.Width), r.IntN(size.Height)
		x1, y1 := min(size.Width, x0+size.Width/2), min(size.Height, y0+size.Height/3)
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				px := p.Pix[(y*size.Width+x)*4:]
				shade := byte(0xf8)
				// Glyphs of 8x16: the same pattern for the same letter.
				if letter := uint32((x-x0)/8*31+(y-y0)/16*17) % 61; y%16 > 3 && (letter*2654435761>>(uint(x%8)+uint(y%16)))&1 == 1 {
					shade = byte(letter)
				}
				px[0], px[1], px[2] = shade, shade, shade
			}
		}
	}
	return p
}

// busy is a drawing whose right half is a photo: smooth shades with grain.
func busy(size desktop.Size) desktop.Picture {
	p := drawing(size)
	r := rand.New(rand.NewPCG(5, 6))
	for y := size.Height / 8; y < size.Height*7/8; y++ {
		for x := size.Width / 2; x < size.Width; x++ {
			px := p.Pix[(y*size.Width+x)*4:]
			fx, fy := float64(x)/97, float64(y)/61
			grain := float64(r.IntN(4))
			for c := range 3 {
				v := 128 + 60*math.Sin(fx+float64(c)) + 50*math.Cos(fy*1.3-fx*0.4) + grain
				px[c] = byte(max(0, min(255, v)))
			}
		}
	}
	return p
}

var screen = desktop.Size{Width: 1280, Height: 800}

// wantPixels fails unless the picture decodes to exactly these pixels.
func wantPixels(t *testing.T, file []byte, p desktop.Picture) {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatalf("png.Decode: %v", err)
	}
	if got := img.Bounds(); got != image.Rect(0, 0, p.Size.Width, p.Size.Height) {
		t.Fatalf("picture of %v decodes to %v", p.Size, got)
	}
	rgba, ok := img.(*image.RGBA)
	if !ok {
		t.Fatalf("picture decodes to %T: it has an alpha channel or a palette", img)
	}
	for i := 0; i < len(p.Pix); i += 4 {
		want := [4]byte{p.Pix[i+2], p.Pix[i+1], p.Pix[i], 0xff}
		if got := [4]byte(rgba.Pix[i : i+4]); got != want {
			t.Fatalf("pixel %d of %v is %v, want %v", i/4, p.Size, got, want)
		}
	}
}

func TestEncodeIsExact(t *testing.T) {
	sizes := []desktop.Size{{Width: 1, Height: 1}, {Width: 1, Height: 300}, {Width: 300, Height: 1}, {Width: 3, Height: 2}, {Width: 7, Height: 129}, {Width: 641, Height: 479}}
	for _, size := range sizes {
		for name, p := range map[string]desktop.Picture{"solid": solid(size, [4]byte{1, 2, 3, 9}), "drawing": drawing(size), "busy": busy(size)} {
			img, err := Encode(p, Budget{})
			if err != nil {
				t.Fatalf("Encode(%s of %v): %v", name, size, err)
			}
			if img.MIME != "image/png" || img.Lossy || img.View.Scaled() {
				t.Errorf("%s of %v: %s, lossy %v, view %v", name, size, img.MIME, img.Lossy, img.View)
			}
			wantPixels(t, img.Data, p)
		}
	}
}

// Noise exercises the stored blocks of deflate, and the small filter every kind
// of row.
func TestFiltersAreExact(t *testing.T) {
	for _, size := range []desktop.Size{{Width: 1, Height: 1}, {Width: 2, Height: 5}, {Width: 333, Height: 217}} {
		for _, p := range []desktop.Picture{noise(size), busy(size)} {
			wantPixels(t, encodePNG(p.Pix, size, quick), p)
			wantPixels(t, encodePNG(p.Pix, size, small), p)
		}
	}
}

func TestEncodeDoesNotTouchThePicture(t *testing.T) {
	p := busy(desktop.Size{Width: 400, Height: 200})
	before := slices.Clone(p.Pix)
	for _, b := range []Budget{{}, {MaxEdge: 100}, {MaxBase64: 20_000}} {
		if _, err := Encode(p, b); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(before, p.Pix) {
		t.Error("Encode changed the pixels it was given")
	}
}

func TestEncodeKeepsTheBudget(t *testing.T) {
	large := desktop.Size{Width: 1920, Height: 1080}
	tests := []struct {
		name   string
		p      desktop.Picture
		budget Budget
		lossy  bool
	}{
		{"noise", noise(screen), Budget{}, true},
		{"large noise", noise(large), Budget{}, true},
		{"large desktop", drawing(large), Budget{MaxBase64: 4 << 20}, false},
		{"few bytes", busy(screen), Budget{MaxBase64: 200_000}, true},
		{"very few bytes", busy(screen), Budget{MaxBase64: 120_000}, true},
		{"few pixels", busy(screen), Budget{MaxPixels: 10_000}, false},
		{"short edge", busy(screen), Budget{MaxEdge: 100}, false},
		{"tall", noise(desktop.Size{Width: 3, Height: 8000}), Budget{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			img, err := Encode(tt.p, tt.budget)
			if err != nil {
				t.Fatal(err)
			}
			b := tt.budget.WithDefaults()
			if got := len(base64.StdEncoding.EncodeToString(img.Data)); got > b.MaxBase64 || got != img.Base64Len() {
				t.Errorf("%d bytes of base64 (Base64Len %d), budget %d", got, img.Base64Len(), b.MaxBase64)
			}
			cfg, format, err := image.DecodeConfig(bytes.NewReader(img.Data))
			if err != nil {
				t.Fatal(err)
			}
			if "image/"+format != img.MIME || img.Lossy != tt.lossy || img.Lossy != (format == "jpeg") {
				t.Errorf("format %s, MIME %s, lossy %v, want lossy %v", format, img.MIME, img.Lossy, tt.lossy)
			}
			if got := (desktop.Size{Width: cfg.Width, Height: cfg.Height}); got != img.View.Size {
				t.Errorf("file is %v, view says %v", got, img.View.Size)
			}
			if max(cfg.Width, cfg.Height) > b.MaxEdge || cfg.Width*cfg.Height > b.MaxPixels {
				t.Errorf("%dx%d is over the budget %+v", cfg.Width, cfg.Height, b)
			}
		})
	}
}

func TestEncodeJPEGColours(t *testing.T) {
	p := noise(desktop.Size{Width: 320, Height: 200})
	for i := 0; i < len(p.Pix); i += 4 { // a blue cast that a swap of channels would turn red
		p.Pix[i] |= 0xc0
		p.Pix[i+2] &= 0x3f
	}
	img, err := Encode(p, Budget{MaxBase64: 30_000})
	if err != nil {
		t.Fatal(err)
	}
	got, err := jpeg.Decode(bytes.NewReader(img.Data))
	if err != nil {
		t.Fatal(err)
	}
	var red, blue int
	for y := range 200 {
		for x := range 320 {
			r, _, b, _ := got.At(x, y).RGBA()
			red, blue = red+int(r>>8), blue+int(b>>8)
		}
	}
	// On average 31 and 223 went in.
	if red, blue = red/(320*200), blue/(320*200); red > 80 || blue < 180 {
		t.Errorf("a blue picture comes out with red %d and blue %d on average", red, blue)
	}
}

func TestEncodeRefuses(t *testing.T) {
	short := solid(screen, [4]byte{})
	short.Pix = short.Pix[4:]
	for name, tt := range map[string]struct {
		p desktop.Picture
		b Budget
	}{
		"empty":          {desktop.Picture{}, Budget{}},
		"missing pixels": {short, Budget{}},
		"no room":        {noise(desktop.Size{Width: 320, Height: 200}), Budget{MaxBase64: 1000}},
	} {
		if img, err := Encode(tt.p, tt.b); err == nil {
			t.Errorf("%s: got %d bytes, want an error", name, len(img.Data))
		}
	}
}

func FuzzEncode(f *testing.F) {
	f.Add(uint16(3), uint16(200), []byte("pixels"), 5000)
	f.Add(uint16(1600), uint16(1), []byte{0, 0xff, 7}, 100)
	f.Fuzz(func(t *testing.T, w, h uint16, seed []byte, limit int) {
		size := desktop.Size{Width: 1 + int(w)%2000, Height: 1 + int(h)%400}
		p := solid(size, [4]byte{})
		for i := range p.Pix {
			if len(seed) > 0 {
				p.Pix[i] = seed[(i^i>>5)%len(seed)] + byte(i>>9)
			}
		}
		img, err := Encode(p, Budget{MaxBase64: limit})
		if err != nil {
			return
		}
		if img.Base64Len() > (Budget{MaxBase64: limit}).WithDefaults().MaxBase64 {
			t.Errorf("%d bytes of base64, limit %d", img.Base64Len(), limit)
		}
		if img.MIME == "image/png" && !img.View.Scaled() {
			wantPixels(t, img.Data, p)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for name, p := range map[string]desktop.Picture{"simple": drawing(screen), "busy": busy(screen), "flat": solid(screen, [4]byte{9, 9, 9, 0})} {
		b.Run(name, func(b *testing.B) {
			var size int
			for b.Loop() {
				img, err := Encode(p, Budget{})
				if err != nil {
					b.Fatal(err)
				}
				size = len(img.Data)
			}
			b.ReportMetric(float64(size)/1024, "KiB")
		})
	}
}
