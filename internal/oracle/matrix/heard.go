package matrix

import (
	"slices"

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
	typing bool // Shift may stay pressed from one character to the next
	late   bool // the wheel comes in its own time
}

// newEar returns an ear for a cell of which want is to be seen.
func newEar(kind oracle.Application, c Cell, want []oracle.Event) ear {
	r := ear{aimed: make(map[desktop.Point]bool), typing: c.Action == desktop.Type{}.Name(), late: kind == oracle.Chromium}
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
			if r.repeat && e.Kind == oracle.KeyDown && last.Kind == oracle.KeyUp && last.Key == e.Key {
				kept = kept[:len(kept)-1]
				last = kept[len(kept)-1]
			}
			if r.repeat && e.Kind == oracle.KeyDown && last.Kind == oracle.KeyDown && last.Key == e.Key {
				e.Repeat = true
				if last.Repeat {
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
