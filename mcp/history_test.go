package mcp

import (
	"errors"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
)

func frameOf(number, base uint64, rects ...desktop.Rect) *desktop.Frame {
	f := &desktop.Frame{Number: number, Base: base}
	for _, r := range rects {
		f.Rects = append(f.Rects, desktop.Patch{Rect: r})
	}
	return f
}

func TestHistoryKnowsWhereTheScreenIsTheSame(t *testing.T) {
	var h history
	p := desktop.Point{X: 100, Y: 100}
	there := desktop.Rect{X0: 90, Y0: 90, X1: 110, Y1: 110}
	beside := desktop.Rect{X0: 110, Y0: 90, X1: 200, Y1: 110}
	same := func(frame uint64, want error) {
		t.Helper()
		if err := h.same(p, frame); !errors.Is(err, want) {
			t.Errorf("since frame %d: %v, want %v", frame, err, want)
		}
	}
	same(1, errNotShown)
	h.record(frameOf(1, 0, desktop.Rect{X1: 300, Y1: 300}))
	same(1, nil)
	same(2, errNotShown)
	h.record(frameOf(2, 1))
	h.record(frameOf(3, 2, beside))
	same(1, nil)
	h.record(frameOf(4, 3, there, beside))
	same(3, errChanged)
	same(4, nil)
	// What is just within reach of the point counts, what is just out of it does not.
	h.record(frameOf(5, 4, desktop.Rect{X0: 100 + aimRadius + 1, Y0: 0, X1: 300, Y1: 300}))
	same(4, nil)
	h.record(frameOf(6, 5, desktop.Rect{X0: 100 + aimRadius, Y0: 0, X1: 300, Y1: 300}))
	same(5, errChanged)
	h.record(frameOf(7, 6, desktop.Rect{X1: 100 - aimRadius, Y1: 300}))
	same(6, nil)
	h.record(frameOf(8, 7, desktop.Rect{X1: 100 - aimRadius + 1, Y1: 300}))
	same(7, errChanged)
	// A frame after one that was not seen here, or a new connection.
	h.record(frameOf(20, 19, beside))
	same(8, errTooOld)
	same(20, nil)
	h.record(frameOf(1, 0))
	same(20, errNotShown)
	same(1, nil)
	// A frame that was shown, but came to the host unseen here.
	h.reach(1)
	same(1, nil)
	h.reach(3)
	same(1, errTooOld)
	same(3, nil)
	h.record(frameOf(4, 3, there))
	same(3, errChanged)
}

func TestHistoryForgetsTheOldest(t *testing.T) {
	var h history
	h.record(frameOf(1, 0))
	for n := uint64(2); n < 2+2*maxChanges; n++ {
		h.record(frameOf(n, n-1, desktop.Rect{X1: 1, Y1: 1}))
	}
	if len(h.changes) != maxChanges {
		t.Errorf("it remembers %d changes", len(h.changes))
	}
	p := desktop.Point{X: 100, Y: 100}
	if err := h.same(p, h.last-maxChanges); err != nil {
		t.Errorf("the oldest that is remembered: %v", err)
	}
	if err := h.same(p, h.last-maxChanges-1); !errors.Is(err, errTooOld) {
		t.Errorf("one before that: %v", err)
	}
}
