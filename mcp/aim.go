package mcp

import (
	"fmt"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/picture"
)

// view is how the screen of one desktop is shown to the model of one call. The
// coordinates that the model sends and is told are pixels of the picture of the
// whole screen, which is smaller than the screen when that exceeds the budget;
// or, with a grid, steps from 0 to grid-1 across each side of it.
type view struct {
	picture.View // Size is the extent of the coordinates
	screen       desktop.Size
	budget       picture.Budget
	grid         bool
}

func newView(screen desktop.Size, s settings) view {
	whole := desktop.Rect{X1: screen.Width, Y1: screen.Height}
	v := view{picture.NewView(whole, s.budget), screen, s.budget, s.grid > 0}
	if v.grid {
		v.Size = desktop.Size{Width: s.grid, Height: s.grid}
	}
	return v
}

// pointer returns where the pointer is in the coordinates of the model, nil when
// that is not known.
func (v view) pointer(x, y *int) (vx, vy *int) {
	if x == nil || y == nil {
		return nil, nil
	}
	p, ok := v.FromScreen(desktop.Point{X: *x, Y: *y})
	if !ok {
		return nil, nil
	}
	return &p.X, &p.Y
}

func (v view) point(p *desktop.Point) (*desktop.Point, error) {
	if p == nil {
		return nil, nil
	}
	if !v.Contains(*p) {
		return nil, fmt.Errorf("%v is outside the screen, which is %s: send x from 0 to %d and y from 0 to %d",
			*p, v.size(), v.Size.Width-1, v.Size.Height-1)
	}
	on := v.ToScreen(*p)
	return &on, nil
}

// region returns the smallest region of the screen that covers r.
func (v view) region(r *desktop.Rect) (*desktop.Rect, error) {
	if r == nil {
		return nil, nil
	}
	if !r.In(v.Size) {
		return nil, fmt.Errorf("region %v is not on the screen, which is %s: send 0 <= x0 < x1 <= %d and 0 <= y0 < y1 <= %d",
			*r, v.size(), v.Size.Width, v.Size.Height)
	}
	return &desktop.Rect{
		X0: r.X0 * v.screen.Width / v.Size.Width,
		Y0: r.Y0 * v.screen.Height / v.Size.Height,
		X1: (r.X1*v.screen.Width + v.Size.Width - 1) / v.Size.Width,
		Y1: (r.Y1*v.screen.Height + v.Size.Height - 1) / v.Size.Height,
	}, nil
}

// fromScreen returns the smallest region of the picture that covers r, which may
// reach beyond the screen.
func (v view) fromScreen(r desktop.Rect) desktop.Rect {
	return desktop.Rect{
		X0: floorDiv(r.X0*v.Size.Width, v.screen.Width),
		Y0: floorDiv(r.Y0*v.Size.Height, v.screen.Height),
		X1: -floorDiv(-r.X1*v.Size.Width, v.screen.Width),
		Y1: -floorDiv(-r.Y1*v.Size.Height, v.screen.Height),
	}
}

func floorDiv(a, b int) int {
	if a%b < 0 {
		return a/b - 1
	}
	return a / b
}

// size says how large the screen is to the model.
func (v view) size() string {
	if v.grid {
		return fmt.Sprintf("divided into %v steps", v.Size)
	}
	if v.Scaled() {
		return fmt.Sprintf("%v pixels as it is shown", v.Size)
	}
	return fmt.Sprintf("%v pixels", v.Size)
}
