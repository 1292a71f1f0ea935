package matrix

import (
	"slices"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// ear turns events into words that can be compared, those that are wanted and
// those that were seen alike. It leaves out what nobody decides: on its way the
// pointer passes many points, and the turns of a wheel come together or one by
// one. What fingers aimed at counts, and the sum.
type ear struct {
	aimed  map[desktop.Point]bool
	repeat bool // some key repeats itself, nobody knows how often
	lasted bool // keys were held for so long that they may have repeated themselves
	typing bool // Shift may stay pressed from one character to the next
	late   bool // the wheel comes in its own time
}

// repeatDelay is less than X servers let a key be held before they repeat it.
const repeatDelay = 500 * time.Millisecond

// newEar returns an ear for a cell of which want is to be seen, and which took
// some time. A key that one action presses and another releases is held for as
// long as a slow machine takes from one to the other.
func newEar(kind oracle.Application, c Cell, want []oracle.Event, took time.Duration) ear {
	r := ear{aimed: make(map[desktop.Point]bool), late: kind == oracle.Chromium}
	switch c.Action {
	case desktop.Type{}.Name():
		r.typing = true
	case desktop.KeyDown{}.Name(), desktop.HoldKey{}.Name():
		r.lasted = took >= repeatDelay
	}
	for _, e := range want {
		if e.Kind == oracle.Motion {
			r.aimed[point(e)] = true
		}
		r.repeat = r.repeat || e.Repeat
	}
	return r
}

func point(e oracle.Event) desktop.Point { return desktop.Point{X: int(e.X), Y: int(e.Y)} }

func (r ear) words(events []oracle.Event) []string {
	var kept, wheels []oracle.Event
	var stands desktop.Point // where the pointer was last
	moved := false
	for _, e := range events {
		last := oracle.Event{}
		if len(kept) > 0 {
			last = kept[len(kept)-1]
		}
		switch e.Kind {
		case oracle.Fence:
			continue
		case oracle.Motion:
			at := point(e)
			if !r.aimed[at] || moved && at == stands {
				continue
			}
			stands, moved = at, true
		case oracle.Wheel:
			same := func(w oracle.Event) bool {
				return w.X == e.X && w.Y == e.Y && slices.Equal(w.Modifiers, e.Modifiers)
			}
			if i := slices.IndexFunc(wheels, same); r.late && i >= 0 {
				wheels[i].DX += e.DX
				wheels[i].DY += e.DY
				continue
			} else if r.late {
				wheels = append(wheels, e)
				continue
			}
			if last.Kind == oracle.Wheel && same(last) && (last.DX == 0) == (e.DX == 0) {
				kept[len(kept)-1].DX += e.DX
				kept[len(kept)-1].DY += e.DY
				continue
			}
		case oracle.KeyDown, oracle.KeyUp:
			if r.typing && slices.Contains([]string{"Shift", "Shift_L"}, e.Key) {
				continue
			}
			// X releases and presses a key that repeats itself. Not all
			// toolkits know these from others at all times.
			repeat := r.repeat || r.lasted
			if repeat && e.Kind == oracle.KeyDown && last.Kind == oracle.KeyUp && last.Key == e.Key {
				kept = kept[:len(kept)-1]
				last = kept[len(kept)-1]
			}
			if repeat && e.Kind == oracle.KeyDown && last.Kind == oracle.KeyDown && last.Key == e.Key && last.Typed == e.Typed {
				e.Repeat = true
				if last.Repeat || !r.repeat {
					continue
				}
			}
		}
		kept = append(kept, e)
	}
	var words []string
	for _, e := range append(kept, wheels...) {
		words = append(words, e.String())
	}
	return words
}
