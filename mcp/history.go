package mcp

import (
	"errors"

	"github.com/vmette/vmette-mcp/desktop"
)

// maxChanges is how many changes of a screen are remembered. It is more than a
// model takes between a picture and a click that it aims by it.
const maxChanges = 256

// history is what is known of how a screen came to look as it does: where it
// changed from frame to frame.
type history struct {
	first   uint64 // the oldest frame whose later changes are all known; 0 before any
	last    uint64 // the newest frame
	changes []change
}

// change is what one frame changed.
type change struct {
	frame uint64
	rects []desktop.Rect
}

// Why the screen cannot be relied on to look as in a frame.
var (
	errChanged  = errors.New("is no longer as in")
	errTooOld   = errors.New("may have changed, as too much has happened since")
	errNotShown = errors.New("cannot be compared with")
)

// record takes a frame in.
func (h *history) record(f *desktop.Frame) {
	if f.Base == 0 || f.Base != h.last {
		// A whole picture, or one that follows what was not seen here.
		h.first, h.changes = f.Number, nil
	} else if len(f.Rects) > 0 {
		c := change{frame: f.Number}
		for _, p := range f.Rects {
			c.rects = append(c.rects, p.Rect)
		}
		if len(h.changes) == maxChanges {
			h.first, h.changes = h.changes[0].frame, h.changes[1:]
		}
		h.changes = append(h.changes, c)
	}
	h.last = f.Number
}

// reach takes in that a frame was shown that may not have been recorded: what
// changed up to it is not known then.
func (h *history) reach(frame uint64) {
	if frame != h.last {
		h.first, h.last, h.changes = frame, frame, nil
	}
}

// since returns where the screen has changed after a frame; ok is false when that
// is not known.
func (h *history) since(frame uint64) (rects []desktop.Rect, ok bool) {
	if frame == 0 || frame < h.first || frame > h.last {
		return nil, false
	}
	for _, c := range h.changes {
		if c.frame > frame {
			rects = append(rects, c.rects...)
		}
	}
	return rects, true
}

// same reports how the area around a point differs from what it was in a frame.
func (h *history) same(p desktop.Point, frame uint64) error {
	switch {
	case frame > h.last:
		return errNotShown
	case frame < h.first:
		return errTooOld
	}
	for _, c := range h.changes {
		if c.frame <= frame {
			continue
		}
		for _, r := range c.rects {
			if p.X+aimRadius >= r.X0 && p.X-aimRadius < r.X1 && p.Y+aimRadius >= r.Y0 && p.Y-aimRadius < r.Y1 {
				return errChanged
			}
		}
	}
	return nil
}
