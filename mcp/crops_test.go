package mcp

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

func TestCrops(t *testing.T) {
	plain := newView(desktop.Size{Width: 1000, Height: 800}, settings{})
	for _, tc := range []struct {
		name  string
		rects []desktop.Rect
		want  []desktop.Rect // nil for the whole picture
	}{
		{"one", []desktop.Rect{{X0: 100, Y0: 100, X1: 110, Y1: 120}}, []desktop.Rect{{X0: 92, Y0: 92, X1: 118, Y1: 128}}},
		{"at a corner", []desktop.Rect{{X0: 0, Y0: 790, X1: 10, Y1: 800}}, []desktop.Rect{{X0: 0, Y0: 782, X1: 18, Y1: 800}}},
		{"close together", []desktop.Rect{{X0: 100, Y0: 100, X1: 110, Y1: 110}, {X0: 120, Y0: 100, X1: 130, Y1: 110}},
			[]desktop.Rect{{X0: 92, Y0: 92, X1: 138, Y1: 118}}},
		{"far apart", []desktop.Rect{{X0: 100, Y0: 100, X1: 110, Y1: 110}, {X0: 500, Y0: 500, X1: 510, Y1: 510}},
			[]desktop.Rect{{X0: 92, Y0: 92, X1: 118, Y1: 118}, {X0: 492, Y0: 492, X1: 518, Y1: 518}}},
		{"not far apart", []desktop.Rect{{X0: 100, Y0: 100, X1: 110, Y1: 110}, {X0: 300, Y0: 120, X1: 310, Y1: 130}},
			[]desktop.Rect{{X0: 92, Y0: 92, X1: 318, Y1: 138}}},
		{"joined by a third", []desktop.Rect{{X0: 100, Y0: 100, X1: 110, Y1: 110}, {X0: 150, Y0: 100, X1: 160, Y1: 110}, {X0: 120, Y0: 100, X1: 140, Y1: 110}},
			[]desktop.Rect{{X0: 92, Y0: 92, X1: 168, Y1: 118}}},
		{"too many", []desktop.Rect{
			{X0: 100, Y0: 100, X1: 110, Y1: 110}, {X0: 900, Y0: 100, X1: 910, Y1: 110}, {X0: 100, Y0: 700, X1: 110, Y1: 710},
			{X0: 900, Y0: 700, X1: 910, Y1: 710}, {X0: 140, Y0: 400, X1: 150, Y1: 410},
		}, []desktop.Rect{
			{X0: 892, Y0: 92, X1: 918, Y1: 118}, {X0: 892, Y0: 692, X1: 918, Y1: 718}, {X0: 132, Y0: 392, X1: 158, Y1: 418}, {X0: 92, Y0: 92, X1: 118, Y1: 718},
		}},
		{"most of it", []desktop.Rect{{X1: 1000, Y1: 500}}, nil},
		{"everything", []desktop.Rect{{X1: 1000, Y1: 800}}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, plain.crops(tc.rects)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever changes, every pixel of it is in a crop, of which there are few.
func TestCropsShowAllThatChanged(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		screen := desktop.Size{Width: 200 + r.IntN(4000), Height: 200 + r.IntN(3000)}
		v := newView(screen, settings{grid: r.IntN(2) * geminiGrid})
		var rects []desktop.Rect
		for range 1 + r.IntN(20) {
			x, y := r.IntN(screen.Width), r.IntN(screen.Height)
			rects = append(rects, desktop.Rect{X0: x, Y0: y, X1: min(screen.Width, x+1+r.IntN(60)), Y1: min(screen.Height, y+1+r.IntN(60))})
		}
		crops := v.crops(rects)
		if len(crops) > maxCrops {
			t.Fatalf("%d crops", len(crops))
		}
		if crops == nil {
			continue
		}
		for _, rect := range rects {
			in := false
			for _, c := range crops {
				on, err := v.region(&c)
				if err != nil {
					t.Fatal(err)
				}
				in = in || on.X0 <= rect.X0 && on.Y0 <= rect.Y0 && on.X1 >= rect.X1 && on.Y1 >= rect.Y1
			}
			if !in {
				t.Fatalf("%v of %v is in none of %v", rect, screen, crops)
			}
		}
	}
}

// A region that is asked for by what an answer says of it holds what was meant.
func TestRegionsThereAndBack(t *testing.T) {
	for _, screen := range []desktop.Size{{Width: 1280, Height: 800}, {Width: 3200, Height: 2000}, {Width: 5120, Height: 1440}} {
		v := newView(screen, settings{})
		for _, r := range []desktop.Rect{{X0: 0, Y0: 0, X1: 1, Y1: 1}, {X0: 11, Y0: 7, X1: 500, Y1: 300}, {X0: screen.Width - 1, Y0: screen.Height - 1, X1: screen.Width, Y1: screen.Height}} {
			shown := v.fromScreen(r)
			on, err := v.region(&shown)
			if err != nil {
				t.Fatal(err)
			}
			if on.X0 > r.X0 || on.Y0 > r.Y0 || on.X1 < r.X1 || on.Y1 < r.Y1 {
				t.Errorf("%v of %v is shown as %v, which is %v", r, screen, shown, *on)
			}
		}
		beyond := v.fromScreen(desktop.Rect{X0: -screen.Width, Y0: -1, X1: 2 * screen.Width, Y1: screen.Height})
		if want := (desktop.Rect{X0: -v.Size.Width, Y0: -1, X1: 2 * v.Size.Width, Y1: v.Size.Height}); beyond != want {
			t.Errorf("beyond the screen: %v, want %v", beyond, want)
		}
	}
}
