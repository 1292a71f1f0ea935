//go:build !linux

package bench

import "errors"

func machinesPSS() ([]float64, error) { return nil, errors.New("measure memory: only Linux tells it") }
