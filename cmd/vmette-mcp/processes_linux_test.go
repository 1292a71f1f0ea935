package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// process is a process that a test watches.
type process struct {
	pid  int
	name string
	fd   int // a pidfd, which becomes readable when the process has ended
}

// descendants returns the processes that have pid among their ancestors, as
// they are now. They are to be closed.
func descendants(t *testing.T, pid int) []process {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	parent := make(map[int]int)
	name := make(map[int]string)
	for _, dir := range dirs {
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			continue // it has ended meanwhile
		}
		id, comm, ppid, err := parseStat(string(stat))
		if err != nil {
			t.Fatal(err)
		}
		parent[id], name[id] = ppid, comm
	}
	var all []process
	for id := range parent {
		for p := parent[id]; p > 1; p = parent[p] {
			if p != pid {
				continue
			}
			if fd, err := unix.PidfdOpen(id, 0); err == nil {
				all = append(all, process{id, name[id], fd})
			}
			break
		}
	}
	return all
}

// parseStat takes what it needs from /proc/PID/stat (proc(5)). The name may
// hold anything, parentheses included.
func parseStat(stat string) (pid int, name string, ppid int, err error) {
	open, closing := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || closing < open {
		return 0, "", 0, fmt.Errorf("no name in %q", stat)
	}
	fields := strings.Fields(stat[closing+1:])
	if len(fields) < 2 {
		return 0, "", 0, fmt.Errorf("no parent in %q", stat)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(stat[:open])); err != nil {
		return 0, "", 0, err
	}
	ppid, err = strconv.Atoi(fields[1])
	return pid, stat[open+1 : closing], ppid, err
}

// endsWithin waits until the process has ended and reports whether it did so
// in time.
func (p process) endsWithin(limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for {
		left := max(0, time.Until(deadline))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if n > 0 {
			return true
		}
		if err != unix.EINTR {
			return false
		}
	}
}

// adoptOrphans makes this process the parent of what a killed descendant
// leaves running (prctl(2), PR_SET_CHILD_SUBREAPER), so that nothing escapes
// [descendants].
func adoptOrphans(t *testing.T) {
	t.Helper()
	set := func(on uintptr) error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, on, 0, 0, 0) }
	if err := set(1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set(0) })
}

// reap collects an adopted process that has ended.
func (p process) reap() {
	_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil) // one that has not ended was complained of
}

func (p process) close() { unix.Close(p.fd) }

func (p process) String() string { return fmt.Sprintf("%s (%d)", p.name, p.pid) }

func TestParseStat(t *testing.T) {
	pid, name, ppid, err := parseStat("12 (a ) b) S 7 12 12 0\n")
	if pid != 12 || name != "a ) b" || ppid != 7 || err != nil {
		t.Errorf("got %d, %q, %d, %v", pid, name, ppid, err)
	}
	for _, bad := range []string{"", "12", "12 (x)", "x (x) S 1"} {
		if _, _, _, err := parseStat(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
