package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// machinesPSS returns the proportional set size, in MiB, of each of the processes that
// this one has started: the machines.
func machinesPSS() (each []float64, err error) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		pids, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that has ended
		}
		for _, pid := range strings.Fields(string(pids)) {
			rollup, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("measure memory: %w", err)
			}
			kib, err := pssKiB(string(rollup))
			if err != nil {
				return nil, err
			}
			each = append(each, float64(kib)/1024)
		}
	}
	return each, nil
}

// pssKiB takes the line Pss from /proc/PID/smaps_rollup (proc(5)).
func pssKiB(rollup string) (int, error) {
	for line := range strings.Lines(rollup) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
		}
	}
	return 0, errors.New("measure memory: smaps_rollup has no Pss")
}
