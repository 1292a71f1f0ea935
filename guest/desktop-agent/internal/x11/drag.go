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
	// dropTime is how long a program may take to drop what was dragged, until
	// that it has not is told. Some show a menu instead, for which they keep the
	// pointer.
	dropTime = time.Second
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
		if err := d.pressToDrag(ctx, a.Button); err != nil {
			return err
		}
		for _, to := range path[1:] {
			if err := d.dragTo(ctx, to); err != nil {
				return err
			}
		}
		return d.drop(ctx, a.Button)
	})
}

// dragging is the way of the pointer since a button was pressed.
type dragging struct {
	window xproto.Window // where it was pressed
	steps  int           // made since
}

// pressToDrag presses a button with which something may be dragged.
func (d *Display) pressToDrag(ctx context.Context, button desktop.Button) error {
	d.press(press{xproto.ButtonPress, byte(button)})
	if err := d.managed(ctx); err != nil {
		return err
	}
	window, err := d.windowAtPointer()
	d.input.drag = dragging{window: window}
	return err
}

// dragTo moves the pointer to a point while a button is held.
func (d *Display) dragTo(ctx context.Context, to desktop.Point) error {
	from, err := d.where()
	if err != nil {
		return err
	}
	drag := &d.input.drag
	if drag.steps == 0 {
		if err := d.calm(ctx); err != nil {
			return err
		}
	}
	for _, p := range dragWay(from, to, drag.steps) {
		d.fake(xproto.MotionNotify, 0, p)
		if err := d.barrier(ctx); err != nil {
			return err
		}
		wait := func() error { return d.pause(ctx, dragPace) }
		if drag.steps == dragThreshold/dragSmall {
			wait = func() error { return d.calm(ctx) } // the drag has begun
		}
		if err := wait(); err != nil {
			return err
		}
		drag.steps++
	}
	return d.followed(ctx, drag.window)
}

// drop releases a button that something may have been dragged with. Before that it
// makes the last motion again, by one pixel and back: a program that has begun to
// listen only now must learn where the pointer is. In Chromium the parts of it ask
// each other what they take: a page first hears that something has entered a part of
// it, says at the next motion whether it takes that, and where the drag came from that
// answer is passed on with the motion after. So each motion must have been seen by all,
// and not be one of several that lie waiting.
func (d *Display) drop(ctx context.Context, button desktop.Button) error {
	end, err := d.where()
	if err != nil {
		return err
	}
	if err := d.calm(ctx); err != nil {
		return err
	}
	for _, p := range []desktop.Point{nudged(end), end} {
		d.fake(xproto.MotionNotify, 0, p)
		if err := d.calm(ctx); err != nil {
			return err
		}
	}
	d.release(press{xproto.ButtonPress, byte(button)})
	return d.dropped(ctx)
}

// dropped sees the release of a button end what it ends. A program that drags
// something has grabbed the pointer, and goes on to ask others after the release
// before it lets go. There is no event that tells; trying to grab the pointer
// does. Keys that come meanwhile are lost, and in Chromium also those that come
// before all of its processes know that the drag is over.
func (d *Display) dropped(ctx context.Context) error {
	if err := d.clicked(ctx); err != nil {
		return err
	}
	start := time.Now()
	for wait := time.Millisecond; ; wait *= 2 {
		grab, err := await(d, xproto.GrabPointer(d.conn, false, d.root, 0, xproto.GrabModeAsync, xproto.GrabModeAsync, xproto.WindowNone, xproto.CursorNone, xproto.TimeCurrentTime))
		if err != nil {
			return err
		}
		if grab.Status == xproto.GrabStatusSuccess {
			xproto.UngrabPointer(d.conn, xproto.TimeCurrentTime)
			return d.calm(ctx)
		}
		if time.Since(start) > dropTime {
			d.notice("the application still keeps the mouse to itself after the drop, as for a menu: look before you press keys, which may be lost until it is done")
			return nil
		}
		if err := d.pause(ctx, wait); err != nil {
			return err
		}
	}
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
