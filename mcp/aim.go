package mcp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"

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

// aim returns the action with its points in pixels of the screen. Its error
// names a point that is not on the picture; nothing is clamped.
func (v view) aim(a desktop.Action) (desktop.Action, error) {
	switch a := a.(type) {
	case desktop.Screenshot:
		r, err := v.region(a.Region)
		a.Region = r
		return a, err
	case desktop.Move:
		p, err := v.point(&a.To)
		if err == nil {
			a.To = *p
		}
		return a, err
	case desktop.Click:
		p, err := v.point(a.At)
		a.At = p
		return a, err
	case desktop.Scroll:
		p, err := v.point(a.At)
		a.At = p
		return a, err
	case desktop.Drag:
		path := make([]desktop.Point, len(a.Path))
		for i := range a.Path {
			p, err := v.point(&a.Path[i])
			if err != nil {
				return a, err
			}
			path[i] = *p
		}
		a.Path = path
		return a, nil
	case desktop.Batch:
		steps := make([]desktop.Step, len(a.Actions))
		for i, s := range a.Actions {
			on, err := v.aim(s.Action)
			if err != nil {
				return a, fmt.Errorf("action %d: %w", i+1, err)
			}
			steps[i].Action = on
		}
		a.Actions = steps
		return a, nil
	case desktop.CursorPosition, desktop.ButtonDown, desktop.ButtonUp, desktop.Type, desktop.Key, desktop.HoldKey, desktop.Wait, desktop.Exec, desktop.OpenURL:
		return a, nil
	}
	return nil, fmt.Errorf("the points of a %T are not known: add it to aim", a)
}

// hasPoints reports whether an action is aimed at something by coordinates.
func hasPoints(a desktop.Action) bool {
	switch a := a.(type) {
	case desktop.Screenshot:
		return a.Region != nil
	case desktop.Click:
		return a.At != nil
	case desktop.Scroll:
		return a.At != nil
	case desktop.Batch:
		return slices.ContainsFunc(a.Actions, func(s desktop.Step) bool { return hasPoints(s.Action) })
	case desktop.CursorPosition, desktop.ButtonDown, desktop.ButtonUp, desktop.Type, desktop.Key, desktop.HoldKey, desktop.Wait, desktop.Exec, desktop.OpenURL:
		return false
	}
	return true
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

// shown is a picture that an answer carries.
type shown struct {
	content mcp.Content
	info    *PictureInfo
	of      desktop.Rect // of the screen, in its pixels
}

// picture encodes a part of the screen, given in pixels of the screen, or the
// whole of it.
func (v view) picture(s Screen, region *desktop.Rect) (*shown, error) {
	var p desktop.Picture
	var err error
	if region != nil {
		p, err = s.Region(*region, true)
	} else {
		var ok bool
		if p, ok = s.Picture(true); !ok {
			err = errors.New("nothing of it has been received")
		}
	}
	if err != nil {
		return nil, err
	}
	img, err := picture.Encode(p, v.budget)
	if err != nil {
		return nil, err
	}
	info := &PictureInfo{
		Frame: p.Frame, Width: img.View.Size.Width, Height: img.View.Size.Height, Scaled: img.View.Scaled(), Lossy: img.Lossy,
	}
	return &shown{mcp.NewImageContent(base64.StdEncoding.EncodeToString(img.Data), img.MIME), info, img.View.Region}, nil
}
