package bootlog

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceKernelStart includes the time that the machine was suspended, so that it
// never goes back.
func sinceKernelStart() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
