package x11

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// census takes a count of the processes of the desktop, given its clients, and
// of what they have worked.
func (m *machine) census(clients []int) map[int]process {
	names := entries("/proc")
	found := make(map[int]process, len(names))
	parents, roots := make(map[int]int, len(names)), slices.Clone(clients)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == m.server {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it has ended
		}
		parent, born, ok := parseStat(stat)
		if !ok {
			continue
		}
		p := process{born: born}
		if before := m.strangers[pid]; before.born == born {
			p.looks = before.looks
		}
		if p.looks < strangerLooks && hasDisplay(name, m.display) {
			roots = append(roots, pid)
		} else {
			p.looks++
		}
		parents[pid], found[pid] = parent, p
	}
	all := make(map[int]process)
	for _, pid := range descendants(roots, parents) {
		p := process{born: found[pid].born, work: work{used: processorTime(pid)}}
		delete(found, pid)
		if pid == os.Getpid() {
			continue
		}
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/schedstat"); err == nil {
			p.work.wanted, _ = parseSchedstat(stat)
		}
		all[pid] = p
	}
	if m.still != nil {
		for _, pid := range m.still() {
			if p, ok := all[pid]; ok {
				p.still = true
				all[pid] = p
			}
		}
	}
	m.strangers = found
	return all
}

// hasDisplay reports whether a process was started to use a display.
func hasDisplay(pid, number string) bool {
	environ, err := os.ReadFile("/proc/" + pid + "/environ")
	if err != nil {
		return false
	}
	for variable := range strings.SplitSeq(string(environ), "\x00") {
		if value, ok := strings.CutPrefix(variable, "DISPLAY="); ok {
			n, err := displayNumber(value)
			return err == nil && n == number
		}
	}
	return false
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

// serverOf returns the process at the other end of a socket, or 0.
func serverOf(socket rawConn) int {
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0
	}
	var peer *unix.Ucred
	if err := raw.Control(func(fd uintptr) { peer, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil || peer == nil {
		return 0
	}
	return int(peer.Pid)
}
