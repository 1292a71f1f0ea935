package machine

import (
	"fmt"
	"syscall"
)

// How many files a program may have open: as many as programs of a desktop are
// used to. The soft limit stays low for the sake of those that use select(2).
const (
	softFiles = 1024
	hardFiles = 524288
)

// RaiseLimits sets what all programs started from now on inherit.
func RaiseLimits() error {
	// Package syscall must know of it, or it gives children the old limit.
	limit := &syscall.Rlimit{Cur: softFiles, Max: hardFiles}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, limit); err != nil {
		return fmt.Errorf("raise limit of open files: %w", err)
	}
	return nil
}
