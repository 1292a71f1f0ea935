package mcp

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

// TestFrameNumbersGrowThroughConnections checks what a model sees of the frames of
// one desktop, which its guest counts anew on each connection.
func TestFrameNumbersGrowThroughConnections(t *testing.T) {
	type numbers struct{ Number, Base uint64 }
	for name, tc := range map[string]struct{ guest, model []numbers }{
		"one connection": {
			[]numbers{{1, 0}, {2, 1}, {3, 2}},
			[]numbers{{1, 0}, {2, 1}, {3, 2}},
		},
		"several": {
			[]numbers{{1, 0}, {2, 1}, {1, 0}, {2, 1}, {3, 2}, {1, 0}},
			[]numbers{{1, 0}, {2, 1}, {3, 0}, {4, 3}, {5, 4}, {6, 0}},
		},
		// Another conversation took the first frames of the new connection. No
		// number comes twice, and none follows one that it does not follow.
		"frames that others saw": {
			[]numbers{{5, 0}, {3, 2}, {9, 8}},
			[]numbers{{5, 0}, {8, 7}, {14, 13}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var n numbering
			var got []numbers
			for _, g := range tc.guest {
				f := desktop.Frame{Number: g.Number, Base: g.Base}
				n.next(&f)
				got = append(got, numbers{f.Number, f.Base})
				if again := n.of(g.Number); again != f.Number {
					t.Errorf("the picture of frame %d is numbered %d", f.Number, again)
				}
			}
			if diff := cmp.Diff(tc.model, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
