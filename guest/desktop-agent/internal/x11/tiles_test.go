package x11

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

func TestTiles(t *testing.T) {
	type rect = [4]int // x0, y0, x1, y1
	tests := []struct {
		name string
		mark []rect
		want []rect
	}{
		{"nothing", nil, nil},
		{"one pixel", []rect{{7, 9, 8, 10}}, []rect{{7, 9, 8, 10}}},
		{"across tiles", []rect{{30, 30, 40, 40}}, []rect{{30, 30, 40, 40}}},
		{"whole screen", []rect{{0, 0, 200, 100}}, []rect{{0, 0, 200, 100}}},
		{"beyond the screen", []rect{{-5, 90, 300, 900}}, []rect{{0, 90, 200, 100}}},
		{"outside the screen", []rect{{200, 0, 300, 10}, {-10, -10, 0, 0}}, nil},
		{"two that touch the same tile", []rect{{0, 0, 2, 2}, {10, 10, 12, 12}}, []rect{{0, 0, 12, 12}}},
		{"two far apart", []rect{{0, 0, 2, 2}, {100, 0, 102, 2}}, []rect{{0, 0, 2, 2}, {100, 0, 102, 2}}},
		{"a corner", []rect{{0, 0, 64, 10}, {0, 40, 10, 50}}, []rect{{0, 0, 64, 10}, {0, 40, 10, 50}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := newTiles(desktop.Size{Width: 200, Height: 100})
			for _, r := range tt.mark {
				set.mark(desktop.Rect{X0: r[0], Y0: r[1], X1: r[2], Y1: r[3]})
			}
			var got []rect
			for _, r := range set.take() {
				got = append(got, rect{r.X0, r.Y0, r.X1, r.Y1})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rectangles (-want +got):\n%s", diff)
			}
			if again := set.take(); again != nil {
				t.Errorf("a second time it gives %v, want nothing", again)
			}
		})
	}
}

// Whatever is marked is covered, by few rectangles that do not overlap.
func TestTilesCoverWhatWasMarked(t *testing.T) {
	size := desktop.Size{Width: 700, Height: 500}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		set := newTiles(size)
		marked := make([]bool, size.Width*size.Height)
		for range random.IntN(1 + round) {
			r := desktop.Rect{X0: random.IntN(size.Width), Y0: random.IntN(size.Height)}
			r.X1, r.Y1 = min(size.Width, r.X0+1+random.IntN(60)), min(size.Height, r.Y0+1+random.IntN(60))
			set.mark(r)
			for y := r.Y0; y < r.Y1; y++ {
				for x := r.X0; x < r.X1; x++ {
					marked[y*size.Width+x] = true
				}
			}
		}
		covered := make([]bool, len(marked))
		rects := set.take()
		if len(rects) > maxRects {
			t.Fatalf("round %d: %d rectangles, want at most %d", round, len(rects), maxRects)
		}
		for _, r := range rects {
			if !r.In(size) {
				t.Fatalf("round %d: rectangle %v is not on the screen", round, r)
			}
			for y := r.Y0; y < r.Y1; y++ {
				for x := r.X0; x < r.X1; x++ {
					if covered[y*size.Width+x] {
						t.Fatalf("round %d: pixel %d,%d is covered twice", round, x, y)
					}
					covered[y*size.Width+x] = true
				}
			}
		}
		for i, m := range marked {
			if m && !covered[i] {
				t.Fatalf("round %d: pixel %d,%d is not covered", round, i%size.Width, i/size.Width)
			}
		}
	}
}
