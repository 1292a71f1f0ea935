package desktop

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MaxScreen is the largest width and height, in pixels, of a screen that the
// protocol carries. It bounds what a hello or a frame may declare.
const MaxScreen = 8192

// MaxPixels is the largest area of a screen: with it a whole frame fits into
// one payload even uncompressed, with the pointer's picture and the output of
// a command. 5120x3200 is just within.
const MaxPixels = (MaxPayload - MaxCursor*MaxCursor*4 - 2*MaxOutput) / 4

// Point is a position on the screen in pixels; (0, 0) is the top left corner.
// On the wire it is the array [x, y].
type Point struct{ X, Y int }

// MarshalJSON encodes p as [x, y].
func (p Point) MarshalJSON() ([]byte, error) { return json.Marshal([2]int{p.X, p.Y}) }

// UnmarshalJSON decodes [x, y]; anything else is an error.
func (p *Point) UnmarshalJSON(b []byte) error {
	v, err := decodeInts(b, 2)
	if err != nil {
		return fmt.Errorf("decode point: %w", err)
	}
	p.X, p.Y = v[0], v[1]
	return nil
}

// String returns "(x, y)".
func (p Point) String() string { return fmt.Sprintf("(%d, %d)", p.X, p.Y) }

// Size is the extent of a screen in pixels. On the wire it is [width, height].
type Size struct{ Width, Height int }

// MarshalJSON encodes s as [width, height].
func (s Size) MarshalJSON() ([]byte, error) { return json.Marshal([2]int{s.Width, s.Height}) }

// UnmarshalJSON decodes [width, height]; anything else is an error.
func (s *Size) UnmarshalJSON(b []byte) error {
	v, err := decodeInts(b, 2)
	if err != nil {
		return fmt.Errorf("decode size: %w", err)
	}
	s.Width, s.Height = v[0], v[1]
	return nil
}

// String returns "WIDTHxHEIGHT".
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.Width, s.Height) }

// Valid reports whether both sides are between 1 and [MaxScreen] and there are
// no more than [MaxPixels].
func (s Size) Valid() bool {
	return s.Width >= 1 && s.Width <= MaxScreen && s.Height >= 1 && s.Height <= MaxScreen &&
		s.Width*s.Height <= MaxPixels
}

// Contains reports whether p is a pixel of a screen of this size.
func (s Size) Contains(p Point) bool {
	return p.X >= 0 && p.X < s.Width && p.Y >= 0 && p.Y < s.Height
}

// Rect is the half-open rectangle [X0, X1) x [Y0, Y1) in pixels. On the wire it
// is [x0, y0, x1, y1].
type Rect struct{ X0, Y0, X1, Y1 int }

// MarshalJSON encodes r as [x0, y0, x1, y1].
func (r Rect) MarshalJSON() ([]byte, error) {
	return json.Marshal([4]int{r.X0, r.Y0, r.X1, r.Y1})
}

// UnmarshalJSON decodes [x0, y0, x1, y1]; anything else is an error.
func (r *Rect) UnmarshalJSON(b []byte) error {
	v, err := decodeInts(b, 4)
	if err != nil {
		return fmt.Errorf("decode rectangle: %w", err)
	}
	r.X0, r.Y0, r.X1, r.Y1 = v[0], v[1], v[2], v[3]
	return nil
}

// String returns "[x0, y0, x1, y1]".
func (r Rect) String() string { return fmt.Sprintf("[%d, %d, %d, %d]", r.X0, r.Y0, r.X1, r.Y1) }

// Width returns the width in pixels.
func (r Rect) Width() int { return r.X1 - r.X0 }

// Height returns the height in pixels.
func (r Rect) Height() int { return r.Y1 - r.Y0 }

// In reports whether r is not empty and lies wholly on a screen of size s.
func (r Rect) In(s Size) bool {
	return r.X0 >= 0 && r.Y0 >= 0 && r.X0 < r.X1 && r.Y0 < r.Y1 && r.X1 <= s.Width && r.Y1 <= s.Height
}

// decodeInts decodes a JSON array of exactly n integers. A fraction, an
// exponent that makes one, a null or another length is an error: nothing is
// rounded.
func decodeInts(b []byte, n int) ([]int, error) {
	var v []*int
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	if len(v) != n {
		return nil, fmt.Errorf("want %d integers, got %d", n, len(v))
	}
	out := make([]int, n)
	for i, p := range v {
		if p == nil {
			return nil, errors.New("want integers, got null")
		}
		out[i] = *p
	}
	return out, nil
}
