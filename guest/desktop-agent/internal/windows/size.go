package windows

import "github.com/jezek/xgb/xproto"

// sizeHints are the sizes that an application wants its window to have, without
// the frame.
type sizeHints struct{ width, height span }

// span is the lengths base, base+step, base+2*step and so on, from low to high.
type span struct{ low, high, base, step int }

// sizeHints reads WM_NORMAL_HINTS (ICCCM, section 4.1.2.3).
func (s *screen) sizeHints(w xproto.Window) sizeHints {
	return parseHints(s.ask(w, xproto.AtomWmNormalHints, 18).words())
}

func parseHints(v []uint32) sizeHints {
	h := sizeHints{width: span{low: 1, high: far, step: 1}, height: span{low: 1, high: far, step: 1}}
	const (
		minimum = 1 << 4
		maximum = 1 << 5
		steps   = 1 << 6
		base    = 1 << 8
	)
	if len(v) < 15 {
		return h
	}
	// set takes the pair of values at i when the flag says that it is meant. Any
	// client can write them.
	set := func(flag uint32, i int, width, height *int) {
		if len(v) > i+1 && v[0]&flag != 0 && v[i] <= far && v[i+1] <= far {
			*width, *height = int(v[i]), int(v[i+1])
		}
	}
	set(minimum, 5, &h.width.low, &h.height.low)
	set(maximum, 7, &h.width.high, &h.height.high)
	set(steps, 9, &h.width.step, &h.height.step)
	h.width.base, h.height.base = 0, 0
	if v[0]&base == 0 {
		set(minimum, 5, &h.width.base, &h.height.base)
	}
	set(base, 15, &h.width.base, &h.height.base)
	return h
}

// fit returns the allowed size that comes closest from below.
func (h sizeHints) fit(width, height int) (int, int) { return h.width.fit(width), h.height.fit(height) }

func (s span) fit(n int) int {
	low := max(s.low, 1)
	n = max(min(n, max(s.high, low)), low)
	if s.step <= 1 || n < s.base {
		return n
	}
	n -= (n - s.base) % s.step
	if n < low {
		n += s.step
	}
	return n
}
