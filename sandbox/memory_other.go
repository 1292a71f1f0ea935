//go:build !linux && !darwin

package sandbox

import (
	"fmt"
	"runtime"
)

// availableMiB fails: no backend runs here.
func availableMiB() (int, error) {
	return 0, fmt.Errorf("%w on %s", ErrUnsupported, runtime.GOOS)
}
