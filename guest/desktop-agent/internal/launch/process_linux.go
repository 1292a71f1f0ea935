package launch

import (
	"bytes"
	"os"
	"strconv"
)

// belongs reports whether a process is the leader of a session, in that session,
// or descends from the leader. A process that is not known belongs to everybody.
func belongs(pid, leader int) bool {
	if pid == 0 {
		return true
	}
	for depth := 0; pid > 1 && depth < 64; depth++ {
		parent, session, ok := relations(pid)
		switch {
		case pid == leader, ok && session == leader:
			return true
		case !ok:
			return false
		}
		pid = parent
	}
	return false
}

// relations reads the parent and the session of a process.
func relations(pid int) (parent, session int, ok bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, false
	}
	return parseStat(stat)
}

// parseStat reads /proc/PID/stat: "PID (NAME) STATE PARENT GROUP SESSION ...",
// where the name may hold anything.
func parseStat(stat []byte) (parent, session int, ok bool) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 4 {
		return 0, 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0, 0, false
	}
	session, err = strconv.Atoi(string(fields[3]))
	return parent, session, err == nil
}
