package browse

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// MoveLocks takes the locks of browser profiles in home along when the machine's
// hostname changes. Chromium and its kin lock a profile with a symbolic link to
// "HOSTNAME-PID", and take one with another hostname for that of another machine
// which shares the directory: after a crash they would not start again.
func MoveLocks(home, from, to string) error {
	locks, err := filepath.Glob(filepath.Join(home, ".config", "*", "SingletonLock"))
	if err != nil {
		return err
	}
	var errs []error
	for _, lock := range locks {
		target, err := os.Readlink(lock)
		if err != nil {
			continue // the lock of something else, or gone just now
		}
		if pid, ok := strings.CutPrefix(target, from+"-"); ok {
			errs = append(errs, os.Remove(lock), os.Symlink(to+"-"+pid, lock))
		}
	}
	return errors.Join(errs...)
}
