package x11

import (
	"errors"

	"golang.org/x/sys/unix"
)

// nextTick waits until an X server on this machine gives events another time
// than now: they count the milliseconds of the same clock. It is always less
// than one, which is too little for Go's timers.
func nextTick() {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return
	}
	t = unix.NsecToTimespec((t.Nano()/1e6 + 1) * 1e6)
	for errors.Is(unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &t, nil), unix.EINTR) {
	}
}
