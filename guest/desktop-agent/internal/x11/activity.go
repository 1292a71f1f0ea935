package x11

import (
	"slices"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// activity remembers when the screen changed, and learns to overlook what
// changes by itself: carets, spinners, clocks.
//
// Something moves by itself when the same small area is drawn several times
// while there was no input for a while. Real effects of input are drawn soon
// after it, or only once, or in other places each time.
type activity struct {
	changed  time.Time      // last damage that counts
	typed    time.Time      // begin or end of the last input action, whichever was last
	acted    bool           // whether an input action has begun since the last Settle
	areas    []desktop.Rect // of what was drawn since then
	restless [maxRestless]restless
}

// restless is a small area that is drawn again and again.
type restless struct {
	area  desktop.Rect
	times int // that it was drawn, apart from others by at least restlessGap
	last  time.Time
}

const (
	maxRestless     = 16
	restlessArea    = 96 * 96                 // pixels of the largest area that is overlooked
	restlessTimes   = 3                       // how often it must have been drawn
	restlessGap     = 5 * time.Millisecond    // draws that are closer belong together
	restlessForget  = 2500 * time.Millisecond // an area that has been still for so long is forgotten
	restlessSlack   = 3                       // pixels by which the area may differ from one time to the next
	restlessReprise = 300 * time.Millisecond  // after an input, nothing is learned for so long
)

// begin tells that an input action begins, end that it has ended.
func (a *activity) begin(now time.Time) {
	if !a.acted {
		a.acted, a.areas = true, nil
	}
	a.typed = now
}
func (a *activity) end(now time.Time) { a.typed = now }

// watch tells that a Settle begins, settle that it ends. That returns what was
// drawn since the first input action after the Settle before, or since watch
// when there was none.
func (a *activity) watch() {
	if !a.acted {
		a.areas = nil
	}
}

func (a *activity) settle(screen desktop.Size) []desktop.Rect {
	var rects []desktop.Rect
	for _, r := range a.areas {
		if r = intersect(r, desktop.Rect{X1: screen.Width, Y1: screen.Height}); !empty(r) {
			rects = append(rects, r)
		}
	}
	a.acted, a.areas = false, nil
	return rects
}

// damage tells that r was drawn.
func (a *activity) damage(r desktop.Rect, now time.Time) {
	a.areas = include(a.areas, r)
	if area(r) > restlessArea {
		a.changed = now
		return
	}
	if !a.overlook(r, now) {
		a.changed = now
	}
}

// overlook reports whether r is known to be restless, and learns.
func (a *activity) overlook(r desktop.Rect, now time.Time) bool {
	oldest := &a.restless[0]
	for i := range a.restless {
		e := &a.restless[i]
		if e.times > 0 && now.Sub(e.last) <= restlessForget && alike(e.area, r) {
			known := e.times >= restlessTimes
			if now.Sub(e.last) >= restlessGap && (known || now.Sub(a.typed) >= restlessReprise) {
				e.times++
			}
			e.last, e.area = now, r
			return known
		}
		if e.last.Before(oldest.last) {
			oldest = e
		}
	}
	if now.Sub(a.typed) >= restlessReprise {
		*oldest = restless{area: r, times: 1, last: now}
	}
	return false
}

// include adds r to rectangles. Those that overlap are joined, and when there
// would be too many, the two that waste least.
func include(rects []desktop.Rect, r desktop.Rect) []desktop.Rect {
	for i := 0; i < len(rects); i++ {
		if empty(intersect(rects[i], r)) {
			continue
		}
		// The union may overlap others.
		r = union(r, rects[i])
		rects = slices.Delete(rects, i, i+1)
		i = -1
	}
	rects = append(rects, r)
	if len(rects) <= desktop.MaxSettledRects {
		return rects
	}
	least, first, second := 0, -1, -1
	for i, a := range rects {
		for j, b := range rects[:i] {
			if waste := area(union(a, b)) - area(a) - area(b); first < 0 || waste < least {
				least, first, second = waste, i, j
			}
		}
	}
	joined := union(rects[first], rects[second])
	rects = slices.Delete(rects, first, first+1)
	rects = slices.Delete(rects, second, second+1)
	return include(rects, joined)
}

// alike reports whether two areas are nearly the same.
func alike(a, b desktop.Rect) bool {
	near := func(x, y int) bool { return max(x-y, y-x) <= restlessSlack }
	return near(a.X0, b.X0) && near(a.Y0, b.Y0) && near(a.X1, b.X1) && near(a.Y1, b.Y1)
}
