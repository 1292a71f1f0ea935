package x11

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// family returns the processes of the desktop, given its clients, and what they
// have worked.
func family(clients []int) map[int]process {
	names := entries("/proc")
	parents, born := make(map[int]int, len(names)), make(map[int]string, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it has ended
		}
		if parent, start, ok := parseStat(stat); ok {
			parents[pid], born[pid] = parent, start
		}
	}
	all := make(map[int]process)
	for _, pid := range descendants(clients, parents) {
		if pid == os.Getpid() {
			continue
		}
		w := work{used: processorTime(pid)}
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/schedstat"); err == nil {
			w.wanted, _ = parseSchedstat(stat)
		}
		all[pid] = process{born: born[pid], work: w}
	}
	return all
}

// processorTime returns for how long the threads of a process have run, to the
// nanosecond, or 0 when there is no such process.
func processorTime(pid int) time.Duration {
	var t unix.Timespec
	// The clock of a process is its number, inverted, above three bits, which
	// say that it is of a process and counts what the scheduler gave.
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// awake reports whether a thread of a process runs, wants to run, or waits for
// memory.
func awake(pid int) bool {
	dir := "/proc/" + strconv.Itoa(pid) + "/task/"
	for _, name := range entries(dir) {
		line, err := os.ReadFile(dir + name + "/syscall")
		if err != nil {
			continue // it has ended, or is none of ours to look at
		}
		if _, _, asleep := parseSyscall(string(line)); !asleep {
			return true
		}
	}
	return false
}

// entries returns the names in a directory, none when it is gone.
func entries(path string) []string {
	dir, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // those until an error are better than none
	return names
}
