package picture

import (
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
)

func whole(w, h int) desktop.Rect { return desktop.Rect{X1: w, Y1: h} }

func TestNewView(t *testing.T) {
	tests := []struct {
		region desktop.Rect
		budget Budget
		want   desktop.Size
	}{
		{whole(1280, 800), Budget{}, desktop.Size{Width: 1280, Height: 800}},
		{whole(1568, 733), Budget{}, desktop.Size{Width: 1568, Height: 733}},
		{whole(1920, 1080), Budget{}, desktop.Size{Width: 1429, Height: 804}},
		{whole(3136, 100), Budget{}, desktop.Size{Width: 1568, Height: 50}},
		{whole(8192, 1), Budget{}, desktop.Size{Width: 1568, Height: 1}},
		{whole(1, 8192), Budget{}, desktop.Size{Width: 1, Height: 1568}},
		{whole(5, 5), Budget{MaxPixels: 1}, desktop.Size{Width: 1, Height: 1}},
		{whole(8000, 2), Budget{MaxPixels: 10}, desktop.Size{Width: 10, Height: 1}},
		{desktop.Rect{X0: 100, Y0: 50, X1: 500, Y1: 350}, Budget{}, desktop.Size{Width: 400, Height: 300}},
		{whole(2000, 1000), Budget{MaxEdge: 500}, desktop.Size{Width: 500, Height: 250}},
	}
	for _, tt := range tests {
		v := NewView(tt.region, tt.budget)
		if v.Size != tt.want || v.Region != tt.region {
			t.Errorf("NewView(%v, %+v) = %v, want size %v", tt.region, tt.budget, v, tt.want)
		}
		if scaled := tt.want.Width != tt.region.Width() || tt.want.Height != tt.region.Height(); v.Scaled() != scaled {
			t.Errorf("view %v: Scaled() = %v", v, v.Scaled())
		}
	}
}

// Every pixel of a picture comes back to itself by way of the screen, the
// corners are the corners, and at native resolution nothing moves.
func TestViewRoundTrip(t *testing.T) {
	regions := []desktop.Rect{
		whole(1280, 800), whole(1920, 1080), whole(2560, 1600), whole(5120, 2880), whole(1, 5000),
		whole(1569, 2), {X0: 7, Y0: 11, X1: 2007, Y1: 1011}, whole(1366, 768), whole(3, 3),
	}
	budgets := []Budget{{}, {MaxEdge: 1000}, {MaxEdge: 2}, {MaxEdge: 1}, {MaxPixels: 300_001}}
	for _, region := range regions {
		for _, b := range budgets {
			v := NewView(region, b)
			last := -1
			for x := range v.Size.Width {
				at := v.ToScreen(desktop.Point{X: x})
				if at.X <= last || at.X < region.X0 || at.X >= region.X1 {
					t.Fatalf("%v: column %d is %d on the screen, after %d", v, x, at.X, last)
				}
				last = at.X
				if back, ok := v.FromScreen(at); !ok || back.X != x {
					t.Fatalf("%v: column %d -> %d -> %d, %v", v, x, at.X, back.X, ok)
				}
				if !v.Scaled() && at.X != region.X0+x {
					t.Fatalf("%v: column %d moves to %d", v, x, at.X)
				}
			}
			for y := range v.Size.Height {
				at := v.ToScreen(desktop.Point{Y: y})
				if back, ok := v.FromScreen(at); !ok || back.Y != y {
					t.Fatalf("%v: row %d -> %d -> %d, %v", v, y, at.Y, back.Y, ok)
				}
			}
			if v.Size.Width > 1 && v.Size.Height > 1 {
				first := v.ToScreen(desktop.Point{})
				corner := v.ToScreen(desktop.Point{X: v.Size.Width - 1, Y: v.Size.Height - 1})
				if first != (desktop.Point{X: region.X0, Y: region.Y0}) || corner != (desktop.Point{X: region.X1 - 1, Y: region.Y1 - 1}) {
					t.Errorf("%v: corners are %v and %v", v, first, corner)
				}
			}
		}
	}
}

func TestViewFromScreen(t *testing.T) {
	v := NewView(desktop.Rect{X0: 100, Y0: 100, X1: 300, Y1: 200}, Budget{MaxEdge: 100})
	for _, p := range []desktop.Point{{X: 99, Y: 150}, {X: 300, Y: 150}, {X: 150, Y: 99}, {X: 150, Y: 200}} {
		if at, ok := v.FromScreen(p); ok {
			t.Errorf("FromScreen(%v) = %v, want nothing: it is outside", p, at)
		}
	}
	// Each pixel of the screen falls into the picture, neighbours into
	// neighbours.
	for x := 100; x < 300; x++ {
		at, ok := v.FromScreen(desktop.Point{X: x, Y: 100})
		if want := (x - 100) / 2; !ok || at.X != want {
			t.Errorf("column %d of the screen is %d, %v, want %d", x, at.X, ok, want)
		}
	}
}

func TestScaleDown(t *testing.T) {
	t.Run("halves", func(t *testing.T) {
		// Two pixels of each kind become their mean.
		pix := []byte{0, 10, 200, 7, 100, 20, 100, 7, 0, 10, 200, 7, 100, 20, 100, 7}
		got := scaleDown(pix, desktop.Size{Width: 2, Height: 2}, desktop.Size{Width: 1, Height: 1})
		if want := [3]byte{50, 15, 150}; [3]byte(got[:3]) != want {
			t.Errorf("got %v, want %v", got[:3], want)
		}
	})
	t.Run("weighs by area", func(t *testing.T) {
		// Three pixels in two: the middle one counts half in each.
		pix := []byte{0, 0, 0, 0, 90, 90, 90, 0, 255, 255, 255, 0}
		got := scaleDown(pix, desktop.Size{Width: 3, Height: 1}, desktop.Size{Width: 2, Height: 1})
		if got[0] != 30 || got[4] != 200 {
			t.Errorf("got %d and %d, want 30 and 200", got[0], got[4])
		}
	})
	t.Run("keeps plain colours", func(t *testing.T) {
		for _, v := range []byte{0, 1, 128, 254, 255} {
			for _, to := range []desktop.Size{{Width: 1, Height: 1}, {Width: 37, Height: 50}, {Width: 100, Height: 70}} {
				p := solid(desktop.Size{Width: 101, Height: 71}, [4]byte{v, v, v, 0})
				for i, got := range scaleDown(p.Pix, p.Size, to) {
					if i%4 != 3 && got != v {
						t.Fatalf("colour %d became %d in %v", v, got, to)
					}
				}
			}
		}
	})
}

func BenchmarkScaleDown(b *testing.B) {
	p := busy(desktop.Size{Width: 2560, Height: 1600})
	v := NewView(whole(2560, 1600), Budget{})
	for b.Loop() {
		scaleDown(p.Pix, p.Size, v.Size)
	}
}
