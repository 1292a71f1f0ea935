package desktop

import "image"

// Mirror is the host's copy of a guest's screen, kept up to date by the frames
// of responses. It is safe for concurrent use.
type Mirror struct{}

// Picture is one consistent look at a [Mirror]. Pix is a copy and the
// caller's to keep.
type Picture struct {
	Frame   uint64 // number of the frame
	Size    Size
	Pix     []byte // 4 bytes per pixel: blue, green, red, unused; rows from the top, without padding
	Pointer Point  // where the pointer's hot spot is
}

// Picture returns the screen as of the last frame, with the pointer drawn in
// if withCursor is set. ok is false before the first frame.
func (m *Mirror) Picture(withCursor bool) (p Picture, ok bool) { panic("desktop helper") }

// Region is like [Mirror.Picture] for a part of the screen; r must be In its size.
func (m *Mirror) Region(r Rect, withCursor bool) (p Picture, err error) { panic("desktop helper") }

// Image returns p as an image that shares p's memory... for tests and encoders of the standard library.
func (p Picture) Image() image.Image { panic("desktop helper") }
