package desktop

import (
	"image"
	"image/color"
)

// Picture is one consistent look at a [Mirror]. Pix is a copy and the
// caller's to keep.
type Picture struct {
	Frame   uint64 // number of the frame
	Size    Size
	Pix     []byte // 4 bytes per pixel: blue, green, red, unused; rows from the top, without padding
	Origin  Point  // of the picture on the screen; (0, 0) unless it is a region
	Pointer Point  // where the pointer's hot spot is on the screen, also when it is outside the picture
}

// Image returns p as an opaque image for the encoders of the standard library.
// It shares p's memory, and its top left corner is (0, 0).
func (p Picture) Image() image.Image { return bgrx{p} }

type bgrx struct{ p Picture }

func (b bgrx) ColorModel() color.Model { return color.RGBAModel }
func (b bgrx) Bounds() image.Rectangle { return image.Rect(0, 0, b.p.Size.Width, b.p.Size.Height) }
func (b bgrx) Opaque() bool            { return true }

func (b bgrx) At(x, y int) color.Color {
	if !b.p.Size.Contains(Point{x, y}) {
		return color.RGBA{}
	}
	px := b.p.Pix[(y*b.p.Size.Width+x)*4:]
	return color.RGBA{px[2], px[1], px[0], 0xff}
}

// draw blends a premultiplied shape into the picture with its top left corner
// at a place on the screen. What falls outside is left out.
func (p Picture) draw(shape []byte, size Size, at Point) {
	x, y := at.X-p.Origin.X, at.Y-p.Origin.Y
	x0, x1 := max(x, 0), min(x+size.Width, p.Size.Width)
	y0, y1 := max(y, 0), min(y+size.Height, p.Size.Height)
	for py := y0; py < y1; py++ {
		for px := x0; px < x1; px++ {
			src := shape[((py-y)*size.Width+px-x)*4:][:4]
			dst := p.Pix[(py*p.Size.Width+px)*4:][:4]
			rest := 255 - uint32(src[3])
			for i := range 3 {
				dst[i] = uint8(min(255, uint32(src[i])+(uint32(dst[i])*rest+127)/255))
			}
		}
	}
}
