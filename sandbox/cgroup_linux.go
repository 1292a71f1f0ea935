package sandbox

import (
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// cgroupFiles are where one version of control groups says what a group may have
// (cgroup-v1/memory.rst and cgroup-v2.rst of the kernel's documentation).
type cgroupFiles struct {
	mount       string
	limit, used string
	reclaimable string // in memory.stat: part of used that the kernel gives up for others
}

var (
	cgroupV1 = cgroupFiles{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
	cgroupV2 = cgroupFiles{"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"}
)

// cgroupAvailable returns how many bytes the control groups of this process let
// it and its children take: [math.MaxInt64] when nothing limits them. root is
// the host's file system. What cannot be read limits nothing.
func cgroupAvailable(root fs.FS) int64 {
	available := int64(math.MaxInt64)
	data, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(data)) {
		// hierarchy:controllers:path (cgroups(7))
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		files := cgroupV2
		if f[0] != "0" {
			if files = cgroupV1; !slices.Contains(strings.Split(f[1], ","), "memory") {
				continue
			}
		}
		// Each group's limit is one for those below it too. In a container the
		// path may be one of the host: its own group is then the mount's root.
		for dir := path.Join("/", f[2]); ; dir = path.Dir(dir) {
			available = min(available, files.available(root, dir))
			if dir == "/" {
				break
			}
		}
	}
	return available
}

// available returns how much the group at dir may still take.
func (c cgroupFiles) available(root fs.FS, dir string) int64 {
	read := func(name string) string {
		data, _ := fs.ReadFile(root, path.Join(c.mount, dir, name))
		return strings.TrimSpace(string(data))
	}
	limit, err := strconv.ParseInt(read(c.limit), 10, 64)
	if err != nil {
		return math.MaxInt64 // "max", or no such group
	}
	used, err := strconv.ParseInt(read(c.used), 10, 64)
	if err != nil {
		return limit
	}
	for line := range strings.Lines(read("memory.stat")) {
		if v, ok := strings.CutPrefix(line, c.reclaimable+" "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			used -= n
		}
	}
	return max(limit-max(used, 0), 0)
}
