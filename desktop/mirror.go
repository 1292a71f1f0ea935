package desktop

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Mirror is the host's copy of a guest's screen, kept up to date by the frames
// of responses. The zero value has seen no frame. It is safe for concurrent
// use.
type Mirror struct {
	mu     sync.RWMutex
	number uint64 // of the last frame; 0 when there is no picture
	size   Size
	pix    []byte
	cursor Cursor // its place and shape as of the last frame
	shape  []byte // the picture of cursor; nil when there is none yet
	shapes []cursorShape
}

// cursorShape is a picture of the pointer that was sent on the connection.
type cursorShape struct {
	serial uint32
	size   Size
	pix    []byte
}

// Apply brings the mirror up to date with a frame, whose pixels and cursor are
// payload. A frame that does not follow the last one, or does not describe
// exactly what it paints, is an error: the mirror then has no picture until
// the next whole frame.
func (m *Mirror) Apply(f *Frame, payload []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.number
	m.number = 0
	if err := m.apply(f, last, payload); err != nil {
		return fmt.Errorf("apply frame %d: %w", f.Number, err)
	}
	m.number = f.Number
	return nil
}

func (m *Mirror) apply(f *Frame, last uint64, payload []byte) error {
	total, err := f.validate()
	switch {
	case err != nil:
		return err
	case total != len(payload):
		return fmt.Errorf("payload has %d bytes instead of %d", len(payload), total)
	case f.Number <= last:
		return fmt.Errorf("it comes after frame %d", last)
	case f.Base != 0 && f.Base != last:
		return fmt.Errorf("it changes frame %d, but the last one is %d", f.Base, last)
	case f.Base != 0 && f.Size != m.size:
		return fmt.Errorf("it changes the size from %v to %v without a whole picture", m.size, f.Size)
	}
	if f.Base == 0 {
		m.blank(f)
	}
	for _, p := range f.Rects {
		if err := DecodePatch(p.Encoding, payload[:p.Len], m.pix, m.size.Width*4, p.Rect); err != nil {
			return err
		}
		payload = payload[p.Len:]
	}
	if f.Cursor != nil {
		return m.moveCursor(*f.Cursor, payload)
	}
	return nil
}

// blank makes room for a whole picture. It is black, unless the first
// rectangle covers it.
func (m *Mirror) blank(f *Frame) {
	if n := f.Size.Width * f.Size.Height * 4; len(m.pix) != n {
		m.pix = make([]byte, n)
	} else if len(f.Rects) == 0 || f.Rects[0].Rect != (Rect{0, 0, f.Size.Width, f.Size.Height}) {
		clear(m.pix)
	}
	m.size = f.Size
	m.cursor, m.shape = Cursor{}, nil
}

func (m *Mirror) moveCursor(c Cursor, pix []byte) error {
	i := slices.IndexFunc(m.shapes, func(s cursorShape) bool { return s.serial == c.Serial })
	if c.Len == 0 {
		if i < 0 || m.shapes[i].size != c.Size {
			return fmt.Errorf("cursor %d of %v was not sent among the last %d", c.Serial, c.Size, CursorShapes)
		}
		m.cursor, m.shape = c, m.shapes[i].pix
		return nil
	}
	if i >= 0 {
		m.shapes = slices.Delete(m.shapes, i, i+1)
	}
	if len(m.shapes) == CursorShapes {
		m.shapes = slices.Delete(m.shapes, 0, 1)
	}
	pix = slices.Clone(pix)
	m.shapes = append(m.shapes, cursorShape{c.Serial, c.Size, pix})
	m.cursor, m.shape = c, pix
	return nil
}

// Size returns the size of the screen: that of the last frame, or before the
// first one that of the hello. It is the zero Size in a Mirror of no
// connection.
func (m *Mirror) Size() Size {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.size
}

// Picture returns the screen as of the last frame, with the pointer drawn in
// if withCursor is set. ok is false while there is no frame: before the first
// one, and after one that was broken.
func (m *Mirror) Picture(withCursor bool) (p Picture, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.number == 0 {
		return Picture{}, false
	}
	return m.cut(Rect{0, 0, m.size.Width, m.size.Height}, withCursor), true
}

// Region is like [Mirror.Picture] for a part of the screen. It is an error when
// there is no frame or r is not In its size.
func (m *Mirror) Region(r Rect, withCursor bool) (p Picture, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.number == 0 {
		return Picture{}, errors.New("the screen has not been seen yet: take a screenshot first")
	}
	if !r.In(m.size) {
		return Picture{}, fmt.Errorf("region %v is not on the screen of %v", r, m.size)
	}
	return m.cut(r, withCursor), nil
}

func (m *Mirror) cut(r Rect, withCursor bool) Picture {
	p := Picture{
		Frame:   m.number,
		Size:    Size{r.Width(), r.Height()},
		Origin:  Point{r.X0, r.Y0},
		Pointer: m.cursor.Pos,
	}
	if p.Size == m.size {
		p.Pix = slices.Clone(m.pix)
	} else {
		p.Pix = appendRaw(make([]byte, 0, p.Size.Width*p.Size.Height*4), m.pix, m.size.Width*4, r)
	}
	if withCursor && m.shape != nil {
		p.draw(m.shape, m.cursor.Size, Point{m.cursor.Pos.X - m.cursor.Hot.X, m.cursor.Pos.Y - m.cursor.Hot.Y})
	}
	return p
}
