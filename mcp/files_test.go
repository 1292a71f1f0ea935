package mcp

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vmette/vmette-mcp/desktop"
)

func TestFileAsText(t *testing.T) {
	for _, tc := range []struct {
		name          string
		data          string
		before, after bool
		text          string
		skipped       int
		ok            bool
	}{
		{"plain", "one\r\n\ttwo\n", false, false, "one\r\n\ttwo\n", 0, true},
		{"cut at the end", "é日"[:4], false, true, "é", 0, true},
		{"broken at the end", "é日"[:4], false, false, "", 0, false},
		{"cut at the beginning", "日é"[1:], true, false, "é", 2, true},
		{"broken at the beginning", "日é"[1:], false, false, "", 0, false},
		{"cut at both ends", "日é日"[2:7], true, true, "é", 1, true},
		{"control characters", "\x1b[31mred", false, false, "", 0, false},
		{"a NUL", "a\x00b", false, false, "", 0, false},
		{"Latin-1", "caf\xe9 au lait", false, false, "", 0, false},
		{"nothing whole", "\xe6", false, true, "", 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, skipped, ok := asText([]byte(tc.data), tc.before, tc.after)
			if text != tc.text || skipped != tc.skipped || ok != tc.ok {
				t.Errorf("%q, %d, %v", text, skipped, ok)
			}
		})
	}
	long := strings.Repeat("日", maxFileText)
	if text, _, ok := asText([]byte(long), false, false); !ok || len(text) > maxFileText || len(text) < maxFileText-utf8.UTFMax || !utf8.ValidString(text) {
		t.Errorf("%d bytes of text, %v", len(text), ok)
	}
}

// Read in parts from where each answer says to go on, a text is told whole.
func FuzzFileAsText(f *testing.F) {
	f.Add([]byte("a日é😀"), 3)
	f.Add([]byte("\xff\xfe\x00"), 2)
	f.Fuzz(func(t *testing.T, data []byte, length int) {
		if length < utf8.UTFMax || length > len(data)+utf8.UTFMax || !utf8.Valid(data) || bytes.IndexFunc(data, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) >= 0 {
			asText(data, true, true) // must not panic
			return
		}
		var all string
		for at := 0; at < len(data); {
			part := data[at:min(len(data), at+length)]
			text, skipped, ok := asText(part, at > 0, at+len(part) < len(data))
			if !ok || skipped != 0 || text == "" {
				t.Fatalf("%q at %d of %q: %q, %d, %v", part, at, data, text, skipped, ok)
			}
			all, at = all+text, at+len(text)
		}
		if all != string(data) {
			t.Errorf("%q was told as %q", data, all)
		}
	})
}

// pngOf returns a file that says it is a picture of a size.
func pngOf(width, height uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")
	b = binary.BigEndian.AppendUint32(b, width)
	b = binary.BigEndian.AppendUint32(b, height)
	b = append(b, 8, 6, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

// A picture is decoded only if its size is bounded, which is known before.
func TestDecodeImage(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	img.Set(0, 0, color.NRGBA{R: 255, A: 255})
	var asPNG, asJPEG bytes.Buffer
	if err := png.Encode(&asPNG, img); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, img, nil); err != nil {
		t.Fatal(err)
	}
	p, ok := decodeImage(asPNG.Bytes())
	if want := []byte{0, 0, 255, 255, 255, 255, 255, 255}; !ok || p.Size != (desktop.Size{Width: 2, Height: 1}) || !bytes.Equal(p.Pix, want) {
		t.Errorf("%v, %v, %v: want red and, where it is transparent, white", p.Size, p.Pix, ok)
	}
	if p, ok := decodeImage(asJPEG.Bytes()); !ok || p.Size != (desktop.Size{Width: 2, Height: 1}) {
		t.Errorf("%v, %v", p.Size, ok)
	}
	for name, file := range map[string][]byte{
		"huge":           pngOf(22000, 22000),
		"wide":           pngOf(1<<31-1, 1),
		"without pixels": pngOf(10, 10),
		"cut":            asPNG.Bytes()[:40],
		"no picture":     []byte("text"),
	} {
		if _, ok := decodeImage(file); ok {
			t.Errorf("%s: was decoded", name)
		}
	}
}

func FuzzDecodeImage(f *testing.F) {
	f.Add(pngOf(3, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, ok := decodeImage(data); ok && len(p.Pix) != p.Size.Width*p.Size.Height*4 {
			t.Errorf("%d bytes for %v", len(p.Pix), p.Size)
		}
	})
}
