package sandbox

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"
)

// availableMiB returns how much memory new programs can have without making
// the host swap (proc_meminfo(5), MemAvailable), nor going beyond what a control
// group allows this process.
func availableMiB() (int, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(rest, "kB")))
			return int(min(int64(kib)<<10, cgroupAvailable(os.DirFS("/"))) >> 20), err
		}
	}
	return 0, errors.New("/proc/meminfo has no MemAvailable")
}
