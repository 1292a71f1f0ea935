//go:build !linux

package sandbox

import (
	"fmt"
	"runtime"
)

// identify fails: only backends on Linux run machines in processes of their
// own.
func identify(int) (processRecord, error) {
	return processRecord{}, fmt.Errorf("%w on %s", ErrUnsupported, runtime.GOOS)
}
