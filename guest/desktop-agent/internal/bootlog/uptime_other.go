//go:build !linux

package bootlog

import "time"

func sinceKernelStart() time.Duration { return 0 }
