package workload

import (
	"strconv"
	"strings"
)

// mountedDisks returns where the disks of a table of mounts are, in its order; see
// proc_pid_mounts(5).
func mountedDisks(table string) []string {
	var targets []string
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) >= 2 && strings.HasPrefix(f[0], "/dev/") {
			targets = append(targets, unescape(f[1]))
		}
	}
	return targets
}

// unescape undoes what the kernel does to spaces and the like in a path: three
// octal digits behind a backslash.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
