package x11

import (
	"os"
	"strconv"
	"strings"
)

// conversing reports whether one of the processes has a connection to another
// machine, or to another program through the network. It says so too when it
// cannot tell.
func conversing(pids []int) bool {
	connected := make(map[string]bool)
	for _, protocol := range []string{"tcp", "tcp6", "udp", "udp6"} {
		table, err := os.ReadFile("/proc/net/" + protocol)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return true
		}
		for line := range strings.Lines(string(table)) {
			if inode, ok := parseSocket(line); ok {
				connected["socket:["+inode+"]"] = true
			}
		}
	}
	if len(connected) == 0 {
		return false
	}
	for _, pid := range pids {
		path := "/proc/" + strconv.Itoa(pid) + "/fd"
		dir, err := os.Open(path)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return true
		}
		names, err := dir.Readdirnames(-1)
		dir.Close()
		if err != nil {
			return true
		}
		for _, name := range names {
			// One that is closed meanwhile is none.
			if target, err := os.Readlink(path + "/" + name); err == nil && connected[target] {
				return true
			}
		}
	}
	return false
}

// parseSocket reads a line of /proc/net/tcp and its like and returns the inode
// of a socket that is connected or about to be.
func parseSocket(line string) (inode string, ok bool) {
	const established, connecting = "01", "02"
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != established && fields[3] != connecting {
		return "", false
	}
	return fields[9], true
}
