package desktop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// screenOf makes a screen of the pixels that f gives.
func screenOf(s Size, f func(x, y int) uint32) []byte {
	pix := make([]byte, 0, s.Width*s.Height*4)
	for y := range s.Height {
		for x := range s.Width {
			pix = binary.LittleEndian.AppendUint32(pix, f(x, y))
		}
	}
	return pix
}

func TestPatchRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[string]func(x, y int) uint32{
		"flat":    func(x, y int) uint32 { return 0x00abcdef },
		"noise":   func(x, y int) uint32 { return r.Uint32() },
		"columns": func(x, y int) uint32 { return uint32(x) },
		"pairs":   func(x, y int) uint32 { return uint32(x / 2) },
		"threes":  func(x, y int) uint32 { return uint32(x / 3) },
		"fours":   func(x, y int) uint32 { return uint32((x + y) / 4) },
		"fives":   func(x, y int) uint32 { return uint32((x + y) / 5) },
		"mixed":   func(x, y int) uint32 { return r.Uint32() & uint32(x/16%2*3) },
	}
	for name, f := range kinds {
		for _, s := range []Size{{1, 1}, {2, 2}, {3, 1}, {4, 4}, {31, 7}, {200, 3}} {
			pix := screenOf(s, f)
			for range 20 {
				rect := Rect{X0: r.IntN(s.Width), Y0: r.IntN(s.Height)}
				rect.X1 = rect.X0 + 1 + r.IntN(s.Width-rect.X0)
				rect.Y1 = rect.Y0 + 1 + r.IntN(s.Height-rect.Y0)
				enc, data := AppendPatch([]byte("before"), pix, s.Width*4, rect)
				if string(data[:6]) != "before" {
					t.Fatal("AppendPatch overwrote what was there")
				}
				data = data[6:]
				if limit := rect.Width() * rect.Height() * 4; len(data) > limit {
					t.Errorf("%s: %v takes %d bytes, raw would be %d", name, rect, len(data), limit)
				}
				// Outside the rectangle nothing changes.
				want := bytes.Repeat([]byte{0x5a}, len(pix))
				got := bytes.Clone(want)
				for y := rect.Y0; y < rect.Y1; y++ {
					from := (y*s.Width + rect.X0) * 4
					copy(want[from:], pix[from:from+rect.Width()*4])
				}
				if err := DecodePatch(enc, data, got, s.Width*4, rect); err != nil {
					t.Fatalf("%s: DecodePatch(%s, %v): %v", name, enc, rect, err)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("%s: %s pixels of %v came back changed", name, enc, rect)
				}
			}
		}
	}
}

func TestPatchChoosesTheSmaller(t *testing.T) {
	s := Size{100, 10}
	rect := Rect{0, 0, s.Width, s.Height}
	flat := screenOf(s, func(x, y int) uint32 { return 7 })
	if enc, data := AppendPatch(nil, flat, s.Width*4, rect); enc != RLE || len(data) != 8*s.Height {
		t.Errorf("flat screen: %s of %d bytes, want one run for each row", enc, len(data))
	}
	noise := screenOf(s, func(x, y int) uint32 { return uint32(x*2654435761) ^ uint32(y*40503) })
	if enc, data := AppendPatch(nil, noise, s.Width*4, rect); enc != Raw || !bytes.Equal(data, noise) {
		t.Errorf("noise: %s of %d bytes, want it raw", enc, len(data))
	}
}

// The words of the run-length encoding, spelled out.
func TestRunLengthWords(t *testing.T) {
	pix := words(1, 2, 9, 9, 9, 9, 9, 3)
	enc, data := AppendPatch(nil, pix, len(pix), Rect{0, 0, 8, 1})
	if want := words(2, 1, 2, 1<<31|5, 9, 1, 3); enc != RLE || !bytes.Equal(data, want) {
		t.Errorf("%s %v, want %v", enc, data, want)
	}
}

func words(w ...uint32) []byte {
	var b []byte
	for _, v := range w {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func TestDecodePatchRefuses(t *testing.T) {
	const run = 1 << 31
	tests := []struct {
		name string
		enc  Encoding
		data []byte
		want string
	}{
		{"unknown encoding", "zip", nil, `"zip"`},
		{"raw too short", Raw, make([]byte, 31), "31 bytes for 32"},
		{"raw too long", Raw, make([]byte, 33), "33 bytes for 32"},
		{"nothing", RLE, nil, "4 pixels to come"},
		{"one row only", RLE, words(run|4, 1), "row 1"},
		{"run over the row", RLE, words(run|5, 1), "5 pixels where 4"},
		{"run over the patch", RLE, words(run|4, 1, run|4, 1, run|4, 1), "8 bytes too many"},
		{"empty run", RLE, words(run, 1), "0 pixels"},
		{"empty literal", RLE, words(0, 1), "0 pixels"},
		{"literal cut off", RLE, words(4, 1, 2, 3), "12 bytes of literal"},
		{"huge literal", RLE, words(run-1, 1), "2147483647 pixels"},
		{"half a word", RLE, []byte{1, 2, 3}, "4 pixels to come"},
	}
	for _, tt := range tests {
		err := DecodePatch(tt.enc, tt.data, make([]byte, 32), 16, Rect{0, 0, 4, 2})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func FuzzDecodePatch(f *testing.F) {
	f.Add(uint8(4), uint8(2), words(1<<31|4, 1, 1<<31|4, 1))
	f.Add(uint8(3), uint8(1), words(3, 1, 2, 3))
	f.Fuzz(func(t *testing.T, w, h uint8, data []byte) {
		// The patch lies inside a larger screen, whose edge must stay as it is.
		const edge = 3
		s := Size{int(w) + 2*edge + 1, int(h) + 2*edge + 1}
		rect := Rect{edge, edge, edge + 1 + int(w), edge + 1 + int(h)}
		pix := bytes.Repeat([]byte{0x5a}, s.Width*s.Height*4)
		err := DecodePatch(RLE, data, pix, s.Width*4, rect)
		for y := range s.Height {
			for x := range s.Width {
				if inside := x >= rect.X0 && x < rect.X1 && y >= rect.Y0 && y < rect.Y1; !inside && pix[(y*s.Width+x)*4] != 0x5a {
					t.Fatalf("pixel (%d, %d) outside %v was written", x, y, rect)
				}
			}
		}
		if err != nil {
			return
		}
		enc, again := AppendPatch(nil, pix, s.Width*4, rect)
		back := make([]byte, len(pix))
		if err := DecodePatch(enc, again, back, s.Width*4, rect); err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		for y := rect.Y0; y < rect.Y1; y++ {
			from := (y*s.Width + rect.X0) * 4
			if !bytes.Equal(back[from:from+rect.Width()*4], pix[from:from+rect.Width()*4]) {
				t.Fatalf("row %d came back changed", y)
			}
		}
	})
}

func BenchmarkPatch(b *testing.B) {
	s := Size{1280, 800}
	rect := Rect{0, 0, s.Width, s.Height}
	r := rand.New(rand.NewPCG(1, 2))
	for _, kind := range []struct {
		name string
		f    func(x, y int) uint32
	}{
		{"flat", func(x, y int) uint32 { return 0x00303030 }},
		// Text: letters of one to three pixels' width on a plain ground in windows.
		{"text", func(x, y int) uint32 {
			if y%16 < 11 && x%640 < 500 && (x*7+y*3)%11 < 4 {
				return uint32((x*31 + y*17) % 5 * 0x222222)
			}
			return 0x00f0f0f0
		}},
		// The right half is a photo.
		{"busy", func(x, y int) uint32 {
			if x < 640 {
				return uint32(y / 20 * 0x010203)
			}
			return r.Uint32() & 0x00ffffff
		}},
	} {
		pix := screenOf(s, kind.f)
		enc, data := AppendPatch(nil, pix, s.Width*4, rect)
		size := fmt.Sprintf("%s/%dKiB", enc, len(data)/1024)
		b.Run(kind.name+"/encode/"+size, func(b *testing.B) {
			b.SetBytes(int64(len(pix)))
			for b.Loop() {
				_, data = AppendPatch(data[:0], pix, s.Width*4, rect)
			}
		})
		b.Run(kind.name+"/decode/"+size, func(b *testing.B) {
			b.SetBytes(int64(len(pix)))
			for b.Loop() {
				if err := DecodePatch(enc, data, pix, s.Width*4, rect); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(kind.name+"/raw", func(b *testing.B) {
			b.SetBytes(int64(len(pix)))
			for b.Loop() {
				data = appendRaw(data[:0], pix, s.Width*4, rect)
			}
		})
	}
}
