package machine

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// ForbidPrivileges makes set-user-id programs and file capabilities powerless
// for every program that this process starts from now on, and for their
// children for ever. Whatever an image says in its sudoers, polkit or doas
// files, nobody becomes root through it. See PR_SET_NO_NEW_PRIVS in prctl(2).
func ForbidPrivileges() error {
	// A child inherits the bit from the thread that forks it, so all have it.
	_, _, errno := syscall.AllThreadsSyscall6(syscall.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("forbid new privileges: %w", errno)
	}
	return nil
}

// HideMemory keeps other processes of the same user, which may be hostile, from
// reading the memory of this one, where the boot token is. See PR_SET_DUMPABLE
// in prctl(2).
func HideMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("hide memory: %w", err)
	}
	return nil
}
