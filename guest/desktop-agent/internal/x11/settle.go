package x11

import (
	"context"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// SettleOptions configure [Display.Settle].
type SettleOptions struct {
	// Quiet is how long nothing must change. 0 means DefaultQuiet, or less
	// when all programs are seen to sleep without a reason to wake.
	Quiet time.Duration
	Limit time.Duration // longest wait for that; 0 means DefaultLimit
	// Since is when somebody last did something that may change the screen, other
	// than with this Display. With the default quiet time a screen that has been
	// still for it ever since has settled already. The zero value is now.
	Since time.Time
}

const (
	// DefaultQuiet is longer than the delays that programs put between an
	// input and its effect without working meanwhile, which are 100 to 150 ms.
	DefaultQuiet = 180 * time.Millisecond
	// DefaultLimit is how long a screen that never settles is watched.
	DefaultLimit = 3 * time.Second
)

const (
	// restLook is how long programs must have slept, and how much later than
	// the last change it is looked whether they do.
	restLook = 15 * time.Millisecond
	// lastLook is what is left of the quiet time at the last look before its
	// end, and the time from one look to the next after it.
	lastLook = 10 * time.Millisecond
	// grace is how much longer than the quiet time a program is waited for that
	// runs just then, but not enough to be at work: it may be about to draw.
	grace = 50 * time.Millisecond
)

// Settle waits until nothing has changed on the screen for the quiet time, or
// until the limit. What blinks or turns in a small area does not count. Nor
// does a quiet screen while a program of the desktop is at work, unless it
// worked all through an earlier Settle and has gone on since.
//
// When nothing but sleeping programs could change the screen, it does not wait
// for all of the default quiet time: when no thread of them has run for a
// moment, none has set a clock to wake it soon, and none has a connection to
// another machine.
//
// Changed in the answer tells whether anything was drawn since the first input
// action after the Settle before, or since the call when there was none.
func (d *Display) Settle(ctx context.Context, o SettleOptions) (desktop.Settled, error) {
	start := time.Now()
	d.mu.Lock()
	d.activity.watch()
	d.mu.Unlock()
	w := o.waiting()
	reason, err := d.settle(ctx, start, w)
	if err != nil {
		return desktop.Settled{}, d.observation(ctx, err)
	}
	end := time.Now()
	d.mu.Lock()
	rects := d.activity.settle(d.size)
	d.mu.Unlock()
	return desktop.Settled{
		Reason: reason, ElapsedMS: int(end.Sub(start).Milliseconds()),
		QuietMS: int(w.quiet.Milliseconds()), LimitMS: int(w.limit.Milliseconds()),
		Changed: len(rects) > 0, Rects: rects,
	}, nil
}

// Calm waits a moment for programs to react to the action before, so that the
// next one finds the windows and the focus that it means. It is far shorter
// than [Display.Settle].
func (d *Display) Calm(ctx context.Context) error {
	if err := d.calm(ctx); err != nil {
		return d.observation(ctx, err)
	}
	return nil
}

// calm waits a moment for programs to react in the middle of an action.
func (d *Display) calm(ctx context.Context) error {
	_, err := d.settle(ctx, time.Now(), waiting{quiet: 40 * time.Millisecond, limit: DefaultLimit, early: true})
	return err
}

// waiting says how to wait for a quiet screen.
type waiting struct {
	quiet, limit time.Duration
	grace        time.Duration
	early        bool      // whether it may end before the quiet time, when all programs sleep
	since        time.Time // when the quiet time began at the earliest, if it is early; zero for now
}

func (o SettleOptions) waiting() waiting {
	w := waiting{quiet: o.Quiet, limit: o.Limit, grace: grace, since: o.Since}
	if w.quiet <= 0 {
		w.quiet, w.early = DefaultQuiet, true
	}
	if w.limit <= 0 {
		w.limit = DefaultLimit
	}
	return w
}

func (d *Display) settle(ctx context.Context, start time.Time, w waiting) (desktop.SettleReason, error) {
	if err := d.settling.lock(ctx, d.done); err != nil {
		return "", err
	}
	defer d.settling.unlock()
	quiet, limit := w.quiet, start.Add(w.limit)
	v := vigil{machine: &d.settling.machine}
	v.clients, v.known = d.clients(ctx)
	if settled, err := d.settledAlready(ctx, &v, w); settled || err != nil {
		return desktop.SettleQuiet, err
	}
	begin := start // of the quiet time
	for {
		// What was drawn before now has been counted after the barrier.
		if err := d.barrier(ctx); err != nil {
			return "", err
		}
		now := time.Now()
		d.mu.Lock()
		last := d.activity.changed
		d.mu.Unlock()
		if last.After(begin) {
			begin = last
			v.restart()
		}
		still := now.Sub(begin)
		switch {
		case still >= quiet:
			if v.atWork(now) {
				begin = now // what it was about may be shown later still
				v.restart()
			} else if v.pausing() || still >= quiet+w.grace {
				return desktop.SettleQuiet, nil
			}
		case still >= min(restLook, quiet/2):
			v.begin(now)
			if pausing := v.pausing(); pausing && w.early && v.asleep(quiet-still) {
				return desktop.SettleAsleep, nil
			}
		}
		if !now.Before(limit) {
			v.machine.exhausted(now)
			return desktop.SettleLimit, nil
		}
		wake := begin.Add(nextLook(now.Sub(begin), quiet, w.early))
		if limit.Before(wake) {
			wake = limit
		}
		if err := d.pause(ctx, wake.Sub(now)); err != nil {
			return "", err
		}
	}
}

// settledAlready reports whether the quiet time is over before one has waited for it,
// and no program has run since it was looked at last.
func (d *Display) settledAlready(ctx context.Context, v *vigil, w waiting) (bool, error) {
	if w.since.IsZero() || !w.early || !v.known {
		return false, nil
	}
	if err := d.barrier(ctx); err != nil {
		return false, err
	}
	now := time.Now()
	for _, last := range d.lastActivity() {
		if last.After(w.since) {
			w.since = last
		}
	}
	if now.Sub(w.since) < w.quiet {
		return false, nil
	}
	return v.unchanged(), nil
}

// lastActivity returns when the screen changed last, and when somebody used the
// keyboard or the mouse.
func (d *Display) lastActivity() [2]time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return [2]time.Time{d.activity.changed, d.activity.typed}
}

// nextLook returns when to look at the programs again, as the time since the
// last change, after one has looked at the time still.
func nextLook(still, quiet time.Duration, early bool) time.Duration {
	first := min(restLook, quiet/2)
	looks := []time.Duration{first}
	if early {
		for look := 2 * first; look < quiet-lastLook; look *= 2 {
			looks = append(looks, look)
		}
	}
	for _, look := range append(looks, quiet-lastLook, quiet) {
		if look > still {
			return look
		}
	}
	return still + lastLook
}
