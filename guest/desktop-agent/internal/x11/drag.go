package x11

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

const (
	// dragThreshold is farther than the pointer must move with a button held
	// before a toolkit takes it for a drag (GTK 8 pixels, Qt 10, Chromium 3).
	dragThreshold = 12
	// dragSmall is how far it moves at once before that.
	dragSmall = 2
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
// lets go. At each point of the path it waits for the program to have seen it:
// of several motions that lie waiting, programs look at the last one alone.
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
		if err := d.managed(ctx); err != nil {
			return err
		}
		window, err := d.windowAtPointer()
		if err != nil {
			return err
		}
		if err := d.calm(ctx); err != nil {
			return err
		}
		steps := 0
		for i, to := range path[1:] {
			for _, p := range dragWay(path[i], to, steps) {
				d.fake(xproto.MotionNotify, 0, p)
				if err := d.barrier(ctx); err != nil {
					return err
				}
				wait := func() error { return d.pause(ctx, dragPace) }
				if steps == dragThreshold/dragSmall {
					wait = func() error { return d.calm(ctx) } // the drag has begun
				}
				if err := wait(); err != nil {
					return err
				}
				steps++
			}
			if err := d.followed(ctx, window); err != nil {
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

// followed returns when the client of a window has seen where the pointer is.
// One that does not tell in time holds the drag no longer.
func (d *Display) followed(ctx context.Context, window xproto.Window) error {
	if d.input.silent {
		return nil
	}
	limit, cancel := context.WithTimeoutCause(ctx, answerTime, errNoAnswer)
	defer cancel()
	err := d.handled(limit, window)
	if err != nil && context.Cause(limit) == errNoAnswer {
		d.input.silent = true
		return nil
	}
	return err
}

// windowAtPointer returns the innermost window that the pointer is in.
func (d *Display) windowAtPointer() (xproto.Window, error) {
	window := d.root
	for range maxDepth {
		at, err := await(d, xproto.QueryPointer(d.conn, window))
		if err != nil && window != d.root {
			return window, nil // it has gone away since
		}
		if err != nil {
			return 0, fmt.Errorf("ask for the pointer: %w", err)
		}
		if at.Child == 0 {
			break
		}
		window = at.Child
	}
	return window, nil
}

// maxDepth bounds how deep windows are looked for in windows.
const maxDepth = 32

// dragWay returns the points that the pointer visits after from, when it has
// made some steps before: small ones up to the drag threshold, larger ones from
// there.
func dragWay(from, to desktop.Point, steps int) []desktop.Point {
	var way []desktop.Point
	dx, dy := float64(to.X-from.X), float64(to.Y-from.Y)
	length := math.Hypot(dx, dy)
	stride := max(dragStep, length/dragSteps)
	for done := 0.0; done < length; {
		step := stride
		if steps+len(way) <= dragThreshold/dragSmall {
			step = dragSmall
		}
		done = min(done+step, length)
		way = append(way, desktop.Point{X: from.X + int(math.Round(dx*done/length)), Y: from.Y + int(math.Round(dy*done/length))})
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
