package x11

import (
	"context"
	"math"
	"time"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

const (
	// dragThreshold is farther than the pointer must move with a button held
	// before a toolkit takes it for a drag (GTK 8 pixels, Qt 10, Chromium 3).
	dragThreshold = 12
	// dragStep is how far the pointer moves at once on its way.
	dragStep = 16
	// dragSteps bounds the steps between two points of a path.
	dragSteps = 48
	// dragPace is the time between steps. A program that is dragged over asks
	// who is below the pointer, and skips what it cannot follow: it needs to
	// see a way and not a jump, which only time can give it.
	dragPace = 4 * time.Millisecond
)

// Drag presses a button on the first point of a path (where the pointer is when
// there is only one), moves through the others and releases it on the last.
//
// Programs begin a drag when the pointer has moved a few pixels, and many do
// so by asking another program; so the way begins with small steps, and the
// driver waits for the screen to calm down before it goes on and before it
// lets go.
func (d *Display) Drag(ctx context.Context, a desktop.Drag) error {
	return d.act(ctx, false, func() error {
		for _, p := range a.Path {
			if err := d.onScreen(p); err != nil {
				return err
			}
		}
		modifiers, err := d.prepare(ctx, nil, a.Modifiers)
		if err != nil {
			return err
		}
		if err := d.free(a.Button); err != nil {
			return err
		}
		path := a.Path
		if len(path) == 1 {
			if err := d.aim(ctx, nil, a.Button); err != nil {
				return err
			}
			path = []desktop.Point{d.input.last.at, path[0]}
		} else if err := d.aim(ctx, &path[0], a.Button); err != nil {
			return err
		}
		d.pressKeys(modifiers)
		d.press(press{xproto.ButtonPress, byte(a.Button)})
		if err := d.calm(ctx); err != nil {
			return err
		}
		for i, p := range dragPath(path) {
			d.fake(xproto.MotionNotify, 0, p)
			if err := d.barrier(ctx); err != nil {
				return err
			}
			wait := func() error { return d.pause(ctx, dragPace) }
			if i == dragThreshold/2 {
				wait = func() error { return d.calm(ctx) } // the drag has begun
			}
			if err := wait(); err != nil {
				return err
			}
		}
		// The last motion again, by one pixel and back: a program that has
		// begun to listen only now must learn where the pointer is.
		end := path[len(path)-1]
		d.fake(xproto.MotionNotify, 0, nudged(end))
		d.fake(xproto.MotionNotify, 0, end)
		if err := d.calm(ctx); err != nil {
			return err
		}
		d.release(press{xproto.ButtonPress, byte(a.Button)})
		return d.clicked(ctx)
	})
}

// dragPath returns the points that the pointer visits after the first of path:
// steps of 2 pixels up to the drag threshold, larger ones from there.
func dragPath(path []desktop.Point) []desktop.Point {
	var way []desktop.Point
	travelled := 0.0
	for i, to := range path[1:] {
		from := path[i]
		dx, dy := float64(to.X-from.X), float64(to.Y-from.Y)
		length := math.Hypot(dx, dy)
		stride := max(dragStep, length/dragSteps)
		for done := 0.0; done < length; {
			step := stride
			if travelled < dragThreshold {
				step = 2
			}
			done = min(done+step, length)
			travelled += step
			p := desktop.Point{X: from.X + int(math.Round(dx*done/length)), Y: from.Y + int(math.Round(dy*done/length))}
			way = append(way, p)
		}
	}
	return way
}

// nudged returns a point beside p that is nearer to the middle of any screen.
func nudged(p desktop.Point) desktop.Point {
	if p.X > 0 {
		return desktop.Point{X: p.X - 1, Y: p.Y}
	}
	return desktop.Point{X: p.X + 1, Y: p.Y}
}
