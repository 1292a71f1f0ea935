//go:build !linux

package x11

import "time"

func nextTick() { <-time.After(time.Millisecond) }
