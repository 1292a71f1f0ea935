package x11

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
	pointer := xproto.QueryPointer(d.conn, d.root)
	var size desktop.Size
	var serial uint32
	var areas []desktop.Rect
	err = d.barrierThen(ctx, func() {
		size, serial, areas = d.size, d.cursor, d.damaged.take()
	})
	if err != nil {
		return frame, buf, err
	}
	// The server is silent about what is drawn where it has reported damage
	// already. So it must forget the damage between the moment that areas are
	// of and the fetching of their pixels: what is drawn before that is
	// fetched, what is drawn after it is reported again.
	damage.Subtract(d.conn, d.damage, xfixes.RegionNone, xfixes.RegionNone)
	where, err := await(d, pointer)
	if err != nil {
		return frame, buf, fmt.Errorf("ask for the pointer: %w", err)
	}
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
