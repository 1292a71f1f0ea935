package x11

import (
	"encoding/binary"

	"github.com/jezek/xgb/xfixes"

	"github.com/vmette/vmette-mcp/desktop"
)

// look describes the cursor, whose hot spot is at a point, and appends its
// pixels to buf unless the receiver has the shape. A server that has no cursor
// just now gives nil.
func (d *Display) look(at desktop.Point, serial uint32, buf []byte) (*desktop.Cursor, []byte, error) {
	if serial != 0 && serial == d.camera.cursor {
		c := d.shape
		c.Pos, c.Len = at, 0
		return &c, buf, nil
	}
	image, err := await(d, xfixes.GetCursorImage(d.conn))
	if err != nil {
		select {
		case <-d.done:
			return nil, buf, err
		default:
			return nil, buf, nil
		}
	}
	if image.Width == 0 || image.Height == 0 {
		return nil, buf, nil
	}
	c := cropped(image)
	c.Pos = at
	d.mu.Lock()
	if d.cursor == 0 {
		d.cursor = c.Serial
	}
	d.mu.Unlock()
	if c.Serial != d.camera.cursor || c.Serial == 0 {
		start := len(buf)
		for y := range c.Size.Height {
			row := image.CursorImage[(y+c.top)*int(image.Width)+c.left:][:c.Size.Width]
			for _, pixel := range row {
				buf = binary.LittleEndian.AppendUint32(buf, pixel)
			}
		}
		c.Len = len(buf) - start
	}
	d.camera.cursor, d.shape = c.Serial, c.Cursor
	shape := c.Cursor
	return &shape, buf, nil
}

// croppedCursor is a cursor's shape, of which only a part may be sent.
type croppedCursor struct {
	desktop.Cursor
	left, top int // of the part
}

// cropped cuts a cursor down to the size that the protocol carries, around its
// hot spot.
func cropped(image *xfixes.GetCursorImageReply) croppedCursor {
	cut := func(size, hot int) (offset, length, newHot int) {
		if size <= desktop.MaxCursor {
			return 0, size, hot
		}
		offset = min(max(hot-desktop.MaxCursor/2, 0), size-desktop.MaxCursor)
		return offset, desktop.MaxCursor, hot - offset
	}
	var c croppedCursor
	c.Serial = image.CursorSerial
	c.left, c.Size.Width, c.Hot.X = cut(int(image.Width), int(image.Xhot))
	c.top, c.Size.Height, c.Hot.Y = cut(int(image.Height), int(image.Yhot))
	return c
}
