package machine

import "syscall"

// setFileLimit goes through package syscall, because os/exec and ForkExec give
// children the limit that was set there.
func setFileLimit(soft, hard uint64) error {
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: soft, Max: hard})
}
