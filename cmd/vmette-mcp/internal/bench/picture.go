package bench

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"math/rand/v2"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// busyPicture paints what a busy desktop looks like to an encoder: a photo, a
// page of text, and flat boxes with labels as a browser shows. Another seed
// gives other pixels almost everywhere.
func busyPicture(size image.Point, seed uint64) *image.RGBA {
	img := image.NewRGBA(image.Rectangle{Max: size})
	half := size.X * 2 / 5
	paintPhoto(img, image.Rect(0, 0, half, size.Y), seed)
	paintText(img, image.Rect(half, 0, size.X, size.Y/2), color.White, color.Black, seed)
	paintBoxes(img, image.Rect(half, size.Y/2, size.X, size.Y), seed)
	return img
}

// simplePicture paints an empty desktop with one small window.
func simplePicture(size image.Point, seed uint64) *image.RGBA {
	img := image.NewRGBA(image.Rectangle{Max: size})
	fill(img, img.Rect, color.RGBA{R: 0x2e, G: 0x50 + uint8(seed%64), B: 0x6e, A: 0xff})
	window := image.Rect(100, 100, 100+size.X/3, 100+size.Y/3)
	fill(img, window, color.RGBA{R: 0xe0, G: 0xe0, B: 0xe4, A: 0xff})
	paintText(img, window.Inset(20), color.White, color.Black, seed)
	return img
}

// paintPhoto paints slopes of light with the grain of a camera.
func paintPhoto(img *image.RGBA, r image.Rectangle, seed uint64) {
	grain := rand.New(rand.NewPCG(seed, 1))
	phase := float64(seed)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			fx, fy := float64(x)/90, float64(y)/70
			light := 118 + 60*math.Sin(fx+phase) + 40*math.Cos(fy*1.3+math.Sin(fx/2))
			n := grain.Uint32()
			img.SetRGBA(x, y, color.RGBA{
				R: uint8(light) + uint8(n&1),
				G: uint8(light*0.85) + uint8(n>>8&1),
				B: uint8(light*0.6) + uint8(n>>16&1),
				A: 0xff,
			})
		}
	}
}

// paintText fills r with lines of words.
func paintText(img *image.RGBA, r image.Rectangle, paper, ink color.Color, seed uint64) {
	fill(img, r, paper)
	letters := rand.New(rand.NewPCG(seed, 2))
	d := font.Drawer{Dst: img.SubImage(r).(*image.RGBA), Src: image.NewUniform(ink), Face: basicfont.Face7x13}
	for y := r.Min.Y + 13; y < r.Max.Y; y += 14 {
		var line strings.Builder
		for line.Len() < r.Dx()/7-1 {
			if letters.IntN(6) == 0 {
				line.WriteByte(' ')
			} else {
				line.WriteByte(byte('a' + letters.IntN(26)))
			}
		}
		d.Dot = fixed.P(r.Min.X+4, y)
		d.DrawString(line.String())
	}
}

// paintBoxes paints rows of coloured boxes with a line of text in each.
func paintBoxes(img *image.RGBA, r image.Rectangle, seed uint64) {
	fill(img, r, color.RGBA{R: 0xf4, G: 0xf5, B: 0xf7, A: 0xff})
	hues := rand.New(rand.NewPCG(seed, 3))
	for y := r.Min.Y + 10; y+50 < r.Max.Y; y += 60 {
		for x := r.Min.X + 10; x+140 < r.Max.X; x += 150 {
			n := hues.Uint32()
			box := image.Rect(x, y, x+140, y+50)
			fill(img, box, color.RGBA{R: uint8(n)&63 + 160, G: uint8(n>>8)&63 + 160, B: uint8(n>>16)&63 + 160, A: 0xff})
			paintText(img, image.Rect(x+10, y+12, x+130, y+28), color.White, color.Black, seed+uint64(n))
		}
	}
}

func fill(img *image.RGBA, r image.Rectangle, c color.Color) {
	draw.Draw(img, r, image.NewUniform(c), image.Point{}, draw.Src)
}
