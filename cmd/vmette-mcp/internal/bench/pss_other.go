//go:build !linux

package bench

import "errors"

func machinesPSS() (float64, error) { return 0, errors.New("measure memory: only Linux tells it") }
