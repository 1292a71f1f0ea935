package x11

import (
	"time"

	"golang.org/x/sys/unix"
)

// Calls that newer architectures do without.
func init() {
	sleepCalls[unix.SYS_POLL] = milliseconds(2)
	sleepCalls[unix.SYS_EPOLL_WAIT] = milliseconds(3)
	sleepCalls[unix.SYS_SELECT] = length(4, time.Microsecond)
	sleepCalls[unix.SYS_PAUSE] = untilEvent
}
