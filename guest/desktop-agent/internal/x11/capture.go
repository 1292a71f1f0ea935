package x11

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"syscall"

	"github.com/jezek/xgb/damage"
	"github.com/jezek/xgb/shm"
	"github.com/jezek/xgb/xfixes"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// maxPixels is what one frame carries at most, so that a whole picture and a
// cursor fit the payload of one message.
const maxPixels = 15 << 20

// camera is the part of a Display that takes pictures.
type camera struct {
	taking sync.Mutex // held during a Capture; guards the rest

	shadow  []byte // the pixels that the receiver has, in rows without padding
	size    desktop.Size
	changed *tiles // scratch of one capture
	number  uint64 // of the last frame, 0 before the first
	follows bool   // whether the next frame can be a difference from the last
	cursor  uint32 // serial of the shape that the receiver has, 0 for none
	shape   desktop.Cursor

	shared  bool // whether the server can use our memory
	segment *segment
	seg     shm.Seg
	plain   []byte // stands in for the segment
}

// rawConn is a socket that can be asked who is at its other end.
type rawConn interface {
	SyscallConn() (syscall.RawConn, error)
}

func (c *camera) open(d *Display) {
	if _, err := d.extension("MIT-SHM"); err != nil {
		d.log.Warn("x11: pictures go through the socket, which is slow", "error", err)
		return
	}
	c.shared = true
}

func (c *camera) close() {
	c.taking.Lock()
	defer c.taking.Unlock()
	if c.segment != nil {
		_ = c.segment.detach() // fails only for memory that is not ours
		c.segment = nil
	}
}

// Reset makes the next [Display.Capture] whole, as for a new receiver.
func (d *Display) Reset() {
	d.taking.Lock()
	defer d.taking.Unlock()
	d.number, d.follows, d.camera.cursor = 0, false, 0
}

// Capture returns the screen as the difference from what the Capture before
// returned, and appends the pixels to buf. The first one, and the one after a
// [Display.Reset] or a change of the screen's size, is whole. The pixels are of
// one moment for each rectangle, but not across them.
//
// The receiver must get every frame: after one that was lost, Reset.
func (d *Display) Capture(ctx context.Context, buf []byte) (desktop.Frame, []byte, error) {
	d.taking.Lock()
	defer d.taking.Unlock()
	for {
		frame, out, err := d.capture(ctx, buf)
		if errors.As(err, new(xproto.MatchError)) && frame.Size != d.Size() {
			continue // the screen shrank between the question for its size and that for its pixels
		}
		if err != nil {
			d.follows = false // the damage that was taken is lost
			return desktop.Frame{}, buf, d.observation(ctx, err)
		}
		return frame, out, nil
	}
}

// observation turns err into what a method returns that only looks.
func (d *Display) observation(ctx context.Context, err error) error {
	err = d.failure(ctx, err)
	var e *desktop.Error
	if errors.As(err, &e) && e.Code == desktop.CodeUnknown {
		return desktop.Errorf(desktop.CodeUnavailable, "the X server went away: wait a moment and look again")
	}
	return err
}

func (d *Display) capture(ctx context.Context, buf []byte) (frame desktop.Frame, out []byte, err error) {
	// Everything drawn before this is in the events that the barrier waits
	// for, everything after it will be reported again.
	damage.Subtract(d.conn, d.damage, xfixes.RegionNone, xfixes.RegionNone)
	pointer := xproto.QueryPointer(d.conn, d.root)
	if err := d.barrier(ctx); err != nil {
		return frame, buf, err
	}
	where, err := await(d, pointer)
	if err != nil {
		return frame, buf, fmt.Errorf("ask for the pointer: %w", err)
	}

	d.mu.Lock()
	size, serial := d.size, d.cursor
	areas := d.damaged.take()
	d.mu.Unlock()
	frame.Size = size
	if !size.Valid() || size.Width*size.Height > maxPixels {
		return frame, buf, fmt.Errorf("a screen of %v is too large to be sent: make it smaller than %d pixels", size, maxPixels)
	}
	if size != d.camera.size {
		if err := d.refit(size); err != nil {
			return frame, buf, err
		}
	}
	whole := !d.follows
	if whole {
		areas = []desktop.Rect{{X1: size.Width, Y1: size.Height}}
	} else {
		frame.Base = d.number
	}
	pix, err := d.fetch(areas)
	if err != nil {
		return frame, buf, err
	}
	for _, r := range areas {
		d.compare(r, pix, whole)
		pix = pix[area(r)*4:]
	}
	out = buf
	for _, r := range d.changed.take() {
		p := desktop.Patch{Rect: r}
		start := len(out)
		p.Encoding, out = desktop.AppendPatch(out, d.shadow, size.Width*4, r)
		p.Len = len(out) - start
		frame.Rects = append(frame.Rects, p)
	}
	// The pointer was asked for first: the screen may have shrunk since.
	at := desktop.Point{X: min(int(where.RootX), size.Width-1), Y: min(int(where.RootY), size.Height-1)}
	if frame.Cursor, out, err = d.look(at, serial, out); err != nil {
		return frame, buf, err
	}
	d.number++
	d.follows = true
	frame.Number = d.number
	return frame, out, nil
}

// refit prepares for a screen of another size, of which nothing is known.
func (d *Display) refit(size desktop.Size) error {
	bytes := size.Width * size.Height * 4
	d.camera.size, d.shadow, d.changed, d.follows = size, make([]byte, bytes), newTiles(size), false
	if d.segment != nil {
		shm.Detach(d.conn, d.seg)
		_ = d.segment.detach() // fails only for memory that is not ours
		d.segment = nil
	}
	if d.shared {
		err := d.share(bytes)
		if err == nil {
			return nil
		}
		d.shared = false
		d.log.Warn("x11: pictures go through the socket, which is slow", "error", err)
	}
	d.plain = make([]byte, bytes)
	return nil
}

// share makes memory that the server writes pixels to.
func (d *Display) share(size int) error {
	socket, ok := d.wire.Conn.(rawConn)
	if !ok {
		return errors.New("the connection is not a socket")
	}
	s, err := newSegment(size, socket)
	if err != nil {
		return err
	}
	if d.seg == 0 {
		if d.seg, err = shm.NewSegId(d.conn); err != nil {
			return errors.Join(err, s.remove(), s.detach())
		}
	}
	err = shm.AttachChecked(d.conn, d.seg, uint32(s.id), false).Check()
	// Both sides are attached or it has failed: from here on the memory lives
	// exactly as long as they do.
	if err := errors.Join(err, s.remove()); err != nil {
		return errors.Join(fmt.Errorf("attach shared memory: %w", err), s.detach())
	}
	d.segment = s
	return nil
}

const allPlanes = 0xffffffff

// fetch returns the pixels of rectangles that do not overlap, one after the
// other, in memory that is valid until the next fetch.
func (d *Display) fetch(areas []desktop.Rect) ([]byte, error) {
	if d.segment == nil {
		return d.fetchPlain(areas)
	}
	replies := make([]shm.GetImageCookie, len(areas))
	offset := 0
	for i, r := range areas {
		replies[i] = shm.GetImage(d.conn, xproto.Drawable(d.root), int16(r.X0), int16(r.Y0),
			uint16(r.Width()), uint16(r.Height()), allPlanes, xproto.ImageFormatZPixmap, d.seg, uint32(offset))
		offset += area(r) * 4
	}
	for i, r := range areas {
		if _, err := await(d, replies[i]); err != nil {
			return nil, fmt.Errorf("fetch pixels of %v: %w", r, err)
		}
	}
	return d.segment.pix, nil
}

func (d *Display) fetchPlain(areas []desktop.Rect) ([]byte, error) {
	offset := 0
	for _, r := range areas {
		reply, err := await(d, xproto.GetImage(d.conn, xproto.ImageFormatZPixmap, xproto.Drawable(d.root),
			int16(r.X0), int16(r.Y0), uint16(r.Width()), uint16(r.Height()), allPlanes))
		if err != nil {
			return nil, fmt.Errorf("fetch pixels of %v: %w", r, err)
		}
		if len(reply.Data) < area(r)*4 {
			return nil, fmt.Errorf("fetch pixels of %v: got %d bytes", r, len(reply.Data))
		}
		offset += copy(d.plain[offset:], reply.Data[:area(r)*4])
	}
	return d.plain, nil
}

// compare brings the shadow up to date with the pixels of r and marks what was
// different, or all of it.
func (d *Display) compare(r desktop.Rect, pix []byte, all bool) {
	if all {
		d.changed.mark(r)
	}
	width, stride := r.Width()*4, d.camera.size.Width*4
	for y := r.Y0; y < r.Y1; y++ {
		fresh, old := pix[(y-r.Y0)*width:][:width], d.shadow[y*stride+r.X0*4:][:width]
		if bytes.Equal(fresh, old) {
			continue
		}
		if !all {
			d.markDifferences(r.X0, y, fresh, old)
		}
		copy(old, fresh)
	}
}

// markDifferences marks the pixels of a row that differ, tile by tile. The row
// starts at x.
func (d *Display) markDifferences(x, y int, fresh, old []byte) {
	for len(fresh) > 0 {
		n := min((tileSize-x%tileSize)*4, len(fresh))
		if first := difference(fresh[:n], old[:n]); first >= 0 {
			last := lastDifference(fresh[:n], old[:n])
			d.changed.mark(desktop.Rect{X0: x + first, Y0: y, X1: x + last + 1, Y1: y + 1})
		}
		fresh, old, x = fresh[n:], old[n:], x+n/4
	}
}

// difference returns the first pixel in which a and b differ, or -1.
func difference(a, b []byte) int {
	i := 0
	for ; i+8 <= len(a); i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i/4 + bits.TrailingZeros64(x)/32
		}
	}
	if i < len(a) && !bytes.Equal(a[i:], b[i:]) {
		return i / 4
	}
	return -1
}

// lastDifference returns the last pixel in which a and b differ, which they do.
func lastDifference(a, b []byte) int {
	i := len(a) - 4
	for i > 0 && binary.LittleEndian.Uint32(a[i:]) == binary.LittleEndian.Uint32(b[i:]) {
		i -= 4
	}
	return i / 4
}

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
