package x11

import (
	"context"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// SettleOptions configure [Display.Settle].
type SettleOptions struct {
	Quiet time.Duration // how long nothing must change; 0 means DefaultQuiet
	Limit time.Duration // longest wait for that; 0 means DefaultLimit
}

const (
	// DefaultQuiet is longer than the delays that programs put between an
	// input and its effect without working meanwhile, which are 100 to 150 ms.
	DefaultQuiet = 200 * time.Millisecond
	// DefaultLimit is how long a screen that never settles is watched.
	DefaultLimit = 3 * time.Second
)

// Settle waits until nothing has changed on the screen for the quiet time, or
// until the limit. What blinks or turns in a small area does not count. With
// [Options.WholeMachine], neither does a quiet screen in front of busy
// processors.
//
// Changed in the answer tells whether anything was drawn since the last input
// action began, or since the call when a Settle came in between.
func (d *Display) Settle(ctx context.Context, o SettleOptions) (desktop.Settled, error) {
	if o.Quiet <= 0 {
		o.Quiet = DefaultQuiet
	}
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	start := time.Now()
	d.mu.Lock()
	since := d.activity.since(start)
	d.mu.Unlock()
	reason, err := d.settle(ctx, start, o)
	if err != nil {
		return desktop.Settled{}, d.observation(ctx, err)
	}
	end := time.Now()
	d.mu.Lock()
	changed := d.activity.drawn.After(since)
	d.activity.settled = end
	d.mu.Unlock()
	return desktop.Settled{Reason: reason, ElapsedMS: int(end.Sub(start).Milliseconds()), Changed: changed}, nil
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
	o := SettleOptions{Quiet: 40 * time.Millisecond, Limit: 500 * time.Millisecond}
	if d.machine != nil {
		o.Limit = DefaultLimit // it may be slow, and says when it is at rest
	}
	_, err := d.settle(ctx, time.Now(), o)
	return err
}

func (d *Display) settle(ctx context.Context, start time.Time, o SettleOptions) (desktop.SettleReason, error) {
	limit := start.Add(o.Limit)
	begin := start // of the quiet time
	load := d.machine.sample(start)
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
			// What the processors did before belongs to that change, as long
			// as enough time is left to see what they do now.
			if begin.Add(o.Quiet).Sub(now) >= busyWindow {
				load = d.machine.sample(now)
			}
		}
		if !now.Before(begin.Add(o.Quiet)) {
			before := load
			if load = d.machine.sample(now); !load.busySince(before) {
				return desktop.SettleQuiet, nil
			}
			begin = now.Add(busyWindow - o.Quiet)
		}
		if !now.Before(limit) {
			return desktop.SettleLimit, nil
		}
		wake := begin.Add(o.Quiet)
		if limit.Before(wake) {
			wake = limit
		}
		if err := d.pause(ctx, wake.Sub(now)); err != nil {
			return "", err
		}
	}
}
