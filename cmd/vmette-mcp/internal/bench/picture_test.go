package bench

import (
	"bytes"
	"image"
	"image/png"
	"testing"
)

// TestPictures keeps the pictures comparable with real desktops: a PNG of a
// busy one, as image/png writes it, was seen to have 419 KB, of a simple one
// 36 KB.
func TestPictures(t *testing.T) {
	tests := []struct {
		name     string
		paint    func(image.Point, uint64) *image.RGBA
		min, max int
	}{
		{"busy", busyPicture, 380_000, 480_000},
		{"simple", simplePicture, 10_000, 50_000},
	}
	for _, tt := range tests {
		img := tt.paint(image.Pt(1280, 800), 1)
		var out bytes.Buffer
		if err := png.Encode(&out, img); err != nil {
			t.Fatal(err)
		}
		if out.Len() < tt.min || out.Len() > tt.max {
			t.Errorf("the %s picture makes a PNG of %d bytes, want %d to %d", tt.name, out.Len(), tt.min, tt.max)
		}
		if !bytes.Equal(tt.paint(image.Pt(1280, 800), 1).Pix, img.Pix) {
			t.Errorf("the %s picture is not the same for the same seed", tt.name)
		}
		if bytes.Equal(tt.paint(image.Pt(1280, 800), 2).Pix, img.Pix) {
			t.Errorf("the %s picture is the same for another seed", tt.name)
		}
	}
}
