package x11

import (
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
	drawn    time.Time // last damage of any kind
	changed  time.Time // last damage that counts
	typed    time.Time // begin or end of the last input action, whichever was last
	began    time.Time // begin of the last input action
	settled  time.Time // end of the last Settle
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
func (a *activity) begin(now time.Time) { a.began, a.typed = now, now }
func (a *activity) end(now time.Time)   { a.typed = now }

// damage tells that r was drawn.
func (a *activity) damage(r desktop.Rect, now time.Time) {
	a.drawn = now
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

// since returns from when on a change belongs to a Settle that starts now.
func (a *activity) since(now time.Time) time.Time {
	if a.began.After(a.settled) {
		return a.began
	}
	return now
}

// alike reports whether two areas are nearly the same.
func alike(a, b desktop.Rect) bool {
	near := func(x, y int) bool { return max(x-y, y-x) <= restlessSlack }
	return near(a.X0, b.X0) && near(a.Y0, b.Y0) && near(a.X1, b.X1) && near(a.Y1, b.Y1)
}
