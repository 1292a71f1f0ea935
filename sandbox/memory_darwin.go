package sandbox

import "golang.org/x/sys/unix"

// availableMiB returns half of the machine's memory: macOS compresses and
// reclaims what it needs, and names no figure of what is free.
func availableMiB() (int, error) {
	bytes, err := unix.SysctlUint64("hw.memsize")
	return int(bytes >> 21), err
}
