package picture

import (
	"math"

	"github.com/vmette/vmette-mcp/desktop"
)

// The budget that the zero [Budget] means: what the models' makers say they
// take without scaling it down themselves, and what leaves room for the words of
// a result within the 1 MiB that clients take.
const (
	DefaultMaxEdge   = 1568      // pixels
	DefaultMaxPixels = 1_150_000 // pixels
	DefaultMaxBase64 = 1_000_000 // bytes
)

// The least that a budget may be: a smaller picture shows nothing, and what is
// smaller in bytes cannot hold it.
const (
	MinMaxEdge   = 64
	MinMaxPixels = 64 * 64
	MinMaxBase64 = 16 << 10
)

// Budget bounds a picture. A zero or negative field means its default.
type Budget struct {
	MaxEdge   int // pixels of the longer side
	MaxPixels int // pixels in all
	MaxBase64 int // bytes of the file in base64
}

// WithDefaults returns the budget with its defaults in the place of zeros.
func (b Budget) WithDefaults() Budget {
	if b.MaxEdge <= 0 {
		b.MaxEdge = DefaultMaxEdge
	}
	if b.MaxPixels <= 0 {
		b.MaxPixels = DefaultMaxPixels
	}
	if b.MaxBase64 <= 0 {
		b.MaxBase64 = DefaultMaxBase64
	}
	return b
}

// maxFile is the largest file whose base64 is within the budget.
func (b Budget) maxFile() int { return b.MaxBase64 / 4 * 3 }

// View says which part of the screen a picture shows, and in which size. It
// converts between the pixels of both, separately in each direction.
type View struct {
	Region desktop.Rect // of the screen
	Size   desktop.Size // of the picture
}

// NewView returns the view that a picture of a region has under a budget: at
// native resolution if it fits, otherwise as large as fits with the shape of
// the region kept to within a pixel. A picture is never enlarged.
func NewView(region desktop.Rect, b Budget) View {
	b = b.WithDefaults()
	w, h := region.Width(), region.Height()
	scale := min(1,
		float64(b.MaxEdge)/float64(max(w, h)),
		math.Sqrt(float64(b.MaxPixels)/(float64(w)*float64(h))))
	size := desktop.Size{
		Width:  max(1, int(float64(w)*scale)),
		Height: max(1, int(float64(h)*scale)),
	}
	// A side that is already one pixel leaves the excess to the other one.
	size.Width = min(size.Width, max(1, b.MaxPixels/size.Height))
	size.Height = min(size.Height, max(1, b.MaxPixels/size.Width))
	return View{region, size}
}

// Scaled reports whether the picture has fewer pixels than the region.
func (v View) Scaled() bool {
	return v.Size.Width != v.Region.Width() || v.Size.Height != v.Region.Height()
}

// Contains reports whether p is a pixel of the picture.
func (v View) Contains(p desktop.Point) bool { return v.Size.Contains(p) }

// ToScreen returns the pixel of the screen that stands for a pixel of the
// picture. The corners of the picture are the corners of the region, and the
// result always lies within the area that p shows. p must be in the picture.
func (v View) ToScreen(p desktop.Point) desktop.Point {
	return desktop.Point{
		X: v.Region.X0 + spread(p.X, v.Size.Width, v.Region.Width()),
		Y: v.Region.Y0 + spread(p.Y, v.Size.Height, v.Region.Height()),
	}
}

// FromScreen returns the pixel of the picture in whose area the centre of a
// pixel of the screen lies; ok is false outside the region. It is the inverse
// of ToScreen: FromScreen(ToScreen(p)) is p.
func (v View) FromScreen(p desktop.Point) (at desktop.Point, ok bool) {
	x, y := p.X-v.Region.X0, p.Y-v.Region.Y0
	w, h := v.Region.Width(), v.Region.Height()
	if x < 0 || x >= w || y < 0 || y >= h {
		return desktop.Point{}, false
	}
	return desktop.Point{
		X: (2*x + 1) * v.Size.Width / (2 * w),
		Y: (2*y + 1) * v.Size.Height / (2 * h),
	}, true
}

// spread maps 0..n-1 onto 0..wide-1 with both ends kept, rounding to the
// nearest. With n <= wide the centre of the result lies in the n-th part that
// i stands for, which rounding i*wide/n at the edges would not achieve without
// moving the ends inwards.
func spread(i, n, wide int) int {
	if n == 1 {
		return wide / 2
	}
	return (2*i*(wide-1) + n - 1) / (2 * (n - 1))
}
