package x11

import (
	"context"
	"time"

	"github.com/jezek/xgb/damage"
	"github.com/jezek/xgb/xfixes"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"github.com/vmette/vmette-mcp/desktop"
)

// input is the part of a Display that presses things.
type input struct {
	turn chan struct{} // holds a value while an action runs; guards the rest
	held []press       // what is pressed, in order
	down []heldKey     // by KeyDown, some of them perhaps released since
	last lastClick
	drag dragging
	keys keymap

	hungTime time.Duration // how long a program may take to get on with a text

	silent bool // the focused client did not show that it has caught up with this action

	notices []string // of the last action; guarded by Display.mu
}

// press is something that can be pressed and released.
type press struct {
	kind   byte // xproto.KeyPress or xproto.ButtonPress
	detail byte // keycode or button
}

func newInput() input { return input{turn: make(chan struct{}, 1), hungTime: hungTime} }

func (in *input) lock(ctx context.Context, done <-chan struct{}) error {
	select {
	case in.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
		return errClosed
	}
}

func (in *input) unlock() { <-in.turn }

// act runs one action alone. Afterwards what the action pressed is released in
// reverse order, unless keep is set and it succeeded, and the server has
// processed everything.
func (d *Display) act(ctx context.Context, keep bool, action func() error) error {
	if err := d.input.lock(ctx, d.done); err != nil {
		return d.untouched(ctx)
	}
	defer d.input.unlock()
	select {
	case <-d.done:
		return d.untouched(ctx)
	default:
	}
	if ctx.Err() != nil {
		return d.untouched(ctx)
	}
	d.mu.Lock()
	d.activity.begin(time.Now())
	d.input.notices = nil
	d.mu.Unlock()

	// What is drawn from here on is reported, and not taken for a part of what
	// the server has reported already.
	damage.Subtract(d.conn, d.damage, xfixes.RegionNone, xfixes.RegionNone)

	d.input.silent = false
	before := len(d.input.held)
	err := action()
	if err != nil || !keep {
		d.releaseTo(before)
	}
	// A cancelled action ends as orderly as any other.
	if barrier := d.barrier(context.WithoutCancel(ctx)); err == nil {
		err = barrier
	}
	d.mu.Lock()
	d.activity.end(time.Now())
	d.mu.Unlock()
	return d.failure(ctx, err)
}

// notice adds to what must be known of an action that is done nevertheless.
func (d *Display) notice(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.input.notices = append(d.input.notices, text)
}

// Notices returns what must be known of the last action that was done, beside
// that it was, as sentences.
func (d *Display) Notices() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.input.notices
}

// untouched says why an action did not begin.
func (d *Display) untouched(ctx context.Context) error {
	if ctx.Err() != nil {
		return desktop.Errorf(desktop.CodeCancelled, "stopped before it began; nothing was done")
	}
	return desktop.Errorf(desktop.CodeUnavailable, "the X server is not there just now; nothing was done: wait a moment and try again")
}

func (d *Display) fake(kind, detail byte, at desktop.Point) {
	xtest.FakeInput(d.conn, kind, detail, xproto.TimeCurrentTime, d.root, int16(at.X), int16(at.Y), 0)
}

// press presses p unless it is held already.
func (d *Display) press(p press) {
	for _, h := range d.input.held {
		if h == p {
			return
		}
	}
	d.input.held = append(d.input.held, p)
	d.fake(p.kind, p.detail, desktop.Point{})
}

// release releases p if it is held.
func (d *Display) release(p press) {
	for i, h := range d.input.held {
		if h == p {
			d.input.held = append(d.input.held[:i], d.input.held[i+1:]...)
			// The release of something has the number after its press.
			d.fake(p.kind+1, p.detail, desktop.Point{})
			return
		}
	}
}

// releaseTo releases what is held but the first n.
func (d *Display) releaseTo(n int) {
	for len(d.input.held) > n {
		d.release(d.input.held[len(d.input.held)-1])
	}
}

// ReleaseAll releases every key and button that is held, also one that an
// earlier agent left behind, and lets keys repeat that it kept from it.
func (d *Display) ReleaseAll(ctx context.Context) error {
	return d.act(ctx, false, func() error {
		xproto.ChangeKeyboardControl(d.conn, xproto.KbAutoRepeatMode, []uint32{xproto.AutoRepeatModeDefault})
		d.releaseTo(0)
		keys, err := await(d, xproto.QueryKeymap(d.conn))
		if err != nil {
			return err
		}
		pointer, err := await(d, xproto.QueryPointer(d.conn, d.root))
		if err != nil {
			return err
		}
		for code := range 8 * len(keys.Keys) {
			if keys.Keys[code/8]&(1<<(code%8)) != 0 {
				d.fake(xproto.KeyRelease, byte(code), desktop.Point{})
			}
		}
		for button := range 5 {
			if pointer.Mask&(xproto.ButtonMask1<<button) != 0 {
				d.fake(xproto.ButtonRelease, byte(button)+1, desktop.Point{})
			}
		}
		return nil
	})
}

// pause lets time pass. It is for what only time can tell apart, such as two
// clicks from a double click.
func (d *Display) pause(ctx context.Context, t time.Duration) error {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.done:
		return d.wire.reason()
	}
}
