package x11

import (
	"context"
	"time"
)

// settling is the part of a Display that waits for a quiet screen.
type settling struct {
	turn    chan struct{} // holds a value while one waits; guards the rest
	machine machine
}

func newSettling(display string, still func() []int) settling {
	number, _ := displayNumber(display) // one that is none cannot be opened
	return settling{turn: make(chan struct{}, 1), machine: machine{display: number, still: still}}
}

func (s *settling) lock(ctx context.Context, done <-chan struct{}) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
		return errClosed
	}
}

func (s *settling) unlock() { <-s.turn }

// vigil is the watch over the programs while the screen is still.
type vigil struct {
	machine *machine
	clients []int
	known   bool // whether the clients are all there are
	begun   bool
	judged  bool
}

// restart forgets what was seen: the screen has changed. What the programs did
// until now belongs to that change.
func (v *vigil) restart() { v.begun, v.judged = false, false }

// begin looks at the programs for the first time since the change.
func (v *vigil) begin(now time.Time) {
	if !v.begun && v.known {
		v.begun = true
		v.machine.update(now, v.machine.census(v.clients))
	}
}

// atWork reports whether a program has been at work of late.
func (v *vigil) atWork(now time.Time) bool {
	if !v.known {
		return false
	}
	if !v.judged || now.Sub(v.machine.when) >= grace-lastLook {
		v.judged = true
		v.machine.update(now, v.machine.census(v.clients))
	}
	return v.machine.busy()
}

// pausing reports whether no program has run since the look before, nor wants
// to.
func (v *vigil) pausing() bool {
	return !v.known || v.machine.look(processorTime, awake)
}

// unchanged reports whether no program has run since the look before, which may have
// been long ago. Programs that were not there then were started by one that has run.
func (v *vigil) unchanged() bool {
	return v.known && len(v.machine.processes) > 0 && v.machine.standsAsBefore() && v.pausing()
}

// asleep reports whether no program will run within a time by itself.
func (v *vigil) asleep(horizon time.Duration) bool {
	if !v.known {
		return false
	}
	var pids []int
	for pid, p := range v.machine.processes {
		if !p.still {
			pids = append(pids, pid)
		}
	}
	return sleepingBeyond(pids, horizon)
}
