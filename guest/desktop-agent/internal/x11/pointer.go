package x11

import (
	"context"
	"fmt"
	"time"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

const (
	// doubleClick is longer than the time within which toolkits take two
	// clicks for one double click (GTK and Qt 400 ms, Chromium 500 ms).
	doubleClick = 550 * time.Millisecond
	// tripleClick is the same after a double click, whose first click GTK
	// counts from, for twice its time.
	tripleClick = 2*400*time.Millisecond + 50*time.Millisecond
	// soonClick is as long as every toolkit waits for the next click of a
	// double one.
	soonClick = 400 * time.Millisecond
	// doubleClickReach is farther than the pixels that such clicks may lie
	// apart.
	doubleClickReach = 10
)

// lastClick remembers the last press of a button.
type lastClick struct {
	button byte
	at     desktop.Point
	when   time.Time
	double bool // it was the second of a double click
}

// Pointer returns where the pointer is.
func (d *Display) Pointer(ctx context.Context) (desktop.Point, error) {
	p, err := d.where()
	if err != nil {
		return p, d.observation(ctx, err)
	}
	return p, nil
}

func (d *Display) where() (desktop.Point, error) {
	r, err := await(d, xproto.QueryPointer(d.conn, d.root))
	if err != nil {
		return desktop.Point{}, fmt.Errorf("ask for the pointer: %w", err)
	}
	return desktop.Point{X: int(r.RootX), Y: int(r.RootY)}, nil
}

// Move puts the pointer on a point of the screen. While a button is held it goes
// there the way of a drag.
func (d *Display) Move(ctx context.Context, a desktop.Move) error {
	return d.act(ctx, false, func() error {
		if err := d.onScreen(a.To); err != nil {
			return err
		}
		if d.buttons() > 0 {
			if err := d.dragTo(ctx, a.To); err != nil {
				return err
			}
			return d.arrived(ctx, a.To)
		}
		return d.moveTo(ctx, a.To)
	})
}

// Click presses and releases a button one to three times with modifiers held.
// It is a click of its own: when another one at the same place has just been
// made, it waits until toolkits will not take both for a double click. When the
// clicks of a double one come so late that toolkits may take them apart, it
// says so.
func (d *Display) Click(ctx context.Context, a desktop.Click) error {
	return d.act(ctx, false, func() error {
		modifiers, err := d.prepare(ctx, a.At, a.Modifiers)
		if err != nil {
			return err
		}
		if err := d.free(a.Button); err != nil {
			return err
		}
		if err := d.aim(ctx, a.At, a.Button); err != nil {
			return err
		}
		d.pressKeys(modifiers)
		button := press{xproto.ButtonPress, byte(a.Button)}
		var before time.Time   // the click before was
		var late time.Duration // at most, a click was after the one before
		for n := range a.Count {
			if n > 0 {
				// One that comes while the window manager decides about the
				// one before has been seen to get lost.
				if err := d.managed(ctx); err != nil {
					return err
				}
				nextTick() // as in apart
			}
			begun := time.Now()
			d.press(button)
			d.release(button)
			if err := d.barrier(ctx); err != nil {
				return err
			}
			if n > 0 {
				late = max(late, time.Since(before))
			}
			before = begun
		}
		d.input.last.double = a.Count == 2
		if err := d.passed(ctx); err != nil {
			return err
		}
		return together(late)
	})
}

// together reports clicks that came so late after each other that they may not
// have been taken for one double or triple click.
func together(late time.Duration) error {
	if late <= soonClick {
		return nil
	}
	return desktop.Errorf(desktop.CodeUnknown, "the desktop is so slow just now that the clicks came up to %d ms apart, and the application may have taken them for single ones: take a screenshot and look before clicking again",
		late.Milliseconds())
}

// clicked sees what a button did pass the window manager, and remembers when it
// was. It is the server's time that counts, which may be behind.
func (d *Display) clicked(ctx context.Context) error {
	if err := d.barrier(ctx); err != nil {
		return err
	}
	return d.passed(ctx)
}

// passed is clicked for what the server has processed.
func (d *Display) passed(ctx context.Context) error {
	err := d.managed(ctx)
	d.input.last.when = time.Now()
	return err
}

// ButtonDown presses a button, which stays pressed.
func (d *Display) ButtonDown(ctx context.Context, a desktop.ButtonDown) error {
	return d.act(ctx, true, func() error {
		if err := d.free(a.Button); err != nil {
			return err
		}
		if err := d.aim(ctx, nil, a.Button); err != nil {
			return err
		}
		return d.pressToDrag(ctx, a.Button)
	})
}

// ButtonUp releases a button that [Display.ButtonDown] pressed.
func (d *Display) ButtonUp(ctx context.Context, a desktop.ButtonUp) error {
	return d.act(ctx, false, func() error {
		button := press{xproto.ButtonPress, byte(a.Button)}
		for _, h := range d.input.held {
			if h == button {
				if d.dragged() {
					return d.drop(ctx, a.Button)
				}
				d.release(button)
				return d.clicked(ctx)
			}
		}
		return desktop.Errorf(desktop.CodeInvalid, "button %d is not held down: press it first", a.Button)
	})
}

// dragged reports whether the pointer has been moved so far with a single button
// held down that something may have been dragged.
func (d *Display) dragged() bool {
	return d.buttons() == 1 && d.input.drag.steps >= dragThreshold/dragSmall/2
}

// buttons returns how many buttons are held.
func (d *Display) buttons() int {
	n := 0
	for _, h := range d.input.held {
		if h.kind == xproto.ButtonPress {
			n++
		}
	}
	return n
}

// Scroll turns the wheel, notch by notch, first vertically. X11 calls the
// wheel's notches presses of buttons 4 (up), 5 (down), 6 (left) and 7 (right).
func (d *Display) Scroll(ctx context.Context, a desktop.Scroll) error {
	return d.act(ctx, false, func() error {
		modifiers, err := d.prepare(ctx, a.At, a.Modifiers)
		if err != nil {
			return err
		}
		if a.At != nil {
			if err := d.moveTo(ctx, *a.At); err != nil {
				return err
			}
		}
		d.pressKeys(modifiers)
		dx, dy := a.Notches()
		if err := d.turn(ctx, 4, 5, dy); err != nil {
			return err
		}
		return d.turn(ctx, 6, 7, dx)
	})
}

func (d *Display) turn(ctx context.Context, back, forth byte, notches int) error {
	wheel := press{xproto.ButtonPress, forth}
	if notches < 0 {
		wheel.detail, notches = back, -notches
	}
	for n := range notches {
		d.press(wheel)
		d.release(wheel)
		// In step with the server, a cancelled scroll stops at once.
		if n%16 == 15 {
			if err := d.barrier(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// prepare checks what an action at a point with modifiers needs before
// anything is pressed.
func (d *Display) prepare(ctx context.Context, at *desktop.Point, modifiers []string) ([]stroke, error) {
	if at != nil {
		if err := d.onScreen(*at); err != nil {
			return nil, err
		}
	}
	return d.modifierKeys(ctx, modifiers)
}

func (d *Display) onScreen(p desktop.Point) error {
	if s := d.Size(); !s.Contains(p) {
		return desktop.Errorf(desktop.CodeInvalid, "point %v is outside the screen of %v: x goes from 0 to %d and y from 0 to %d",
			p, s, s.Width-1, s.Height-1)
	}
	return nil
}

// free reports a button that is held down already: the server would swallow
// another press of it.
func (d *Display) free(b desktop.Button) error {
	for _, h := range d.input.held {
		if h == (press{xproto.ButtonPress, byte(b)}) {
			return desktop.Errorf(desktop.CodeInvalid, "button %d is held down already: release it first", b)
		}
	}
	return nil
}

// aim moves the pointer to where a button is to be pressed, and waits when the
// press would make a double click of an earlier one.
func (d *Display) aim(ctx context.Context, at *desktop.Point, button desktop.Button) error {
	var p desktop.Point
	if at == nil {
		var err error
		if p, err = d.where(); err != nil {
			return err
		}
	} else {
		p = *at
		if err := d.moveTo(ctx, p); err != nil {
			return err
		}
	}
	last := &d.input.last
	near := max(p.X-last.at.X, last.at.X-p.X, p.Y-last.at.Y, last.at.Y-p.Y) <= doubleClickReach
	apart := doubleClick
	if last.double {
		apart = tripleClick
	}
	if left := apart - time.Since(last.when); near && last.button == byte(button) && left > 0 {
		if err := d.pause(ctx, left); err != nil {
			return err
		}
	}
	*last = lastClick{button: byte(button), at: p, when: time.Now()}
	return context.Cause(ctx) // what was cancelled meanwhile is not pressed
}

// landing is how long the pointer may take to arrive. The server moves it at
// once, unless a window manager is still deciding about an earlier click: then
// everything after that click waits in the server, in order.
const landing = 2 * time.Second

// moveTo moves the pointer and sees it arrive.
func (d *Display) moveTo(ctx context.Context, to desktop.Point) error {
	d.fake(xproto.MotionNotify, 0, to)
	return d.arrived(ctx, to)
}

// arrived sees the pointer arrive.
func (d *Display) arrived(ctx context.Context, to desktop.Point) error {
	start := time.Now()
	for wait := time.Millisecond; ; wait *= 2 {
		at, err := d.where()
		if err != nil || at == to {
			return err
		}
		if time.Since(start) > landing {
			return desktop.Errorf(desktop.CodeNotDelivered, "the pointer could not be moved to %v, it is at %v: an application may be confining it; nothing was pressed", to, at)
		}
		// No event tells others than the one with the grab.
		if err := d.pause(ctx, wait); err != nil {
			return err
		}
	}
}
