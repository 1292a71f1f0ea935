package mcp

import (
	"math"
	"slices"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/picture"
)

const (
	maxCrops   = 4 // pictures of what has changed
	cropMargin = 8 // pixels of the picture around it, so that it can be recognised

	// cropWaste is how many pixels that have not changed are worth showing to have
	// one picture less, each of which costs a model some attention.
	cropWaste = 10_000
)

// changes shows only where the screen has changed, given in pixels of the screen,
// or all of it when that is most of it. What is shown has the scale of the whole
// picture.
func (v view) changes(s Screen, rects []desktop.Rect) (*shown, error) {
	regions := v.crops(rects)
	if regions == nil {
		return v.whole(s)
	}
	all := &shown{screen: v.screen}
	for i, r := range regions {
		on, err := v.region(&r)
		if err != nil {
			return nil, err
		}
		p, err := s.Region(*on, true)
		if err != nil {
			return nil, err
		}
		if i > 0 && p.Frame != all.frame {
			return v.whole(s) // it was drawn on in between
		}
		b := v.budget
		if b.MaxBase64 <= 0 {
			b.MaxBase64 = picture.DefaultMaxBase64
		}
		b.MaxBase64 /= len(regions)
		content, info, err := encoded(picture.EncodeSize(p, v.scale(p.Size), b))
		if err != nil {
			return nil, err
		}
		info.Frame, info.Region = p.Frame, corners(r)
		all.contents, all.parts, all.frame = append(all.contents, content), append(all.parts, *info), p.Frame
	}
	return all, nil
}

// scale returns the size of a part of the screen in the picture of the whole.
func (v view) scale(part desktop.Size) desktop.Size {
	whole := picture.NewView(desktop.Rect{X1: v.screen.Width, Y1: v.screen.Height}, v.budget).Size
	return desktop.Size{
		Width:  max(1, part.Width*whole.Width/v.screen.Width),
		Height: max(1, part.Height*whole.Height/v.screen.Height),
	}
}

// crops returns the regions of the picture to show of what has changed, at most
// maxCrops, and nil when the whole picture is better.
func (v view) crops(rects []desktop.Rect) []desktop.Rect {
	var regions []desktop.Rect
	for _, r := range rects {
		c := v.fromScreen(r)
		c = desktop.Rect{X0: c.X0 - cropMargin, Y0: c.Y0 - cropMargin, X1: c.X1 + cropMargin, Y1: c.Y1 + cropMargin}
		c = desktop.Rect{X0: max(0, c.X0), Y0: max(0, c.Y0), X1: min(v.Size.Width, c.X1), Y1: min(v.Size.Height, c.Y1)}
		if c.X0 < c.X1 && c.Y0 < c.Y1 {
			regions = mergeInto(regions, c)
		}
	}
	for len(regions) > 1 {
		a, b, waste := closest(regions)
		if len(regions) <= maxCrops && waste > cropWaste {
			break
		}
		r := union(regions[a], regions[b])
		regions = slices.Delete(regions, b, b+1)
		regions = mergeInto(slices.Delete(regions, a, a+1), r)
	}
	area := 0
	for _, r := range regions {
		area += areaOf(r)
	}
	if 2*area > v.Size.Width*v.Size.Height {
		return nil
	}
	return regions
}

// mergeInto adds r to regions that do not touch each other, so that they do not
// afterwards.
func mergeInto(regions []desktop.Rect, r desktop.Rect) []desktop.Rect {
	for i := 0; i < len(regions); {
		if touch(regions[i], r) {
			r = union(regions[i], r)
			regions = slices.Delete(regions, i, i+1)
			i = 0
			continue
		}
		i++
	}
	return append(regions, r)
}

// closest returns the two regions, the first one first, whose union holds least
// that is in neither, and how many pixels that is.
func closest(regions []desktop.Rect) (a, b, waste int) {
	waste = math.MaxInt
	for i := range regions {
		for j := i + 1; j < len(regions); j++ {
			w := areaOf(union(regions[i], regions[j])) - areaOf(regions[i]) - areaOf(regions[j])
			if w < waste {
				a, b, waste = i, j, w
			}
		}
	}
	return a, b, waste
}

func touch(a, b desktop.Rect) bool {
	return a.X0 <= b.X1 && b.X0 <= a.X1 && a.Y0 <= b.Y1 && b.Y0 <= a.Y1
}

func union(a, b desktop.Rect) desktop.Rect {
	return desktop.Rect{X0: min(a.X0, b.X0), Y0: min(a.Y0, b.Y0), X1: max(a.X1, b.X1), Y1: max(a.Y1, b.Y1)}
}

func areaOf(r desktop.Rect) int { return r.Width() * r.Height() }

// corners is a rectangle as results hold it.
func corners(r desktop.Rect) []int { return []int{r.X0, r.Y0, r.X1, r.Y1} }
