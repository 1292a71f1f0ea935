package sandbox

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestCgroupAvailable(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"no control groups", nil, math.MaxInt64},
		{"no limit", map[string]string{
			"proc/self/cgroup":                "0::/a\n",
			"sys/fs/cgroup/a/memory.max":      "max\n",
			"sys/fs/cgroup/a/memory.current":  "700\n",
			"sys/fs/cgroup/unified/something": "",
		}, math.MaxInt64},
		{"a limit, less what is used and not mere cache", map[string]string{
			"proc/self/cgroup":               "0::/a\n",
			"sys/fs/cgroup/a/memory.max":     "1000\n",
			"sys/fs/cgroup/a/memory.current": "700\n",
			"sys/fs/cgroup/a/memory.stat":    "anon 500\ninactive_file 200\nactive_file 100\n",
		}, 500},
		{"the limit of a parent", map[string]string{
			"proc/self/cgroup":                 "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max":     "max\n",
			"sys/fs/cgroup/a/b/memory.current": "1\n",
			"sys/fs/cgroup/a/memory.max":       "1000\n",
			"sys/fs/cgroup/a/memory.current":   "900\n",
		}, 100},
		{"more used than the limit allows", map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "1000\n",
			"sys/fs/cgroup/memory.current": "1200\n",
		}, 0},
		{"version 1, in a container that does not see its path", map[string]string{
			"proc/self/cgroup":                           "9:name=systemd:/\n4:cpu,memory:/docker/1234\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "400\n",
			"sys/fs/cgroup/memory/memory.stat":           "inactive_file 1\ntotal_inactive_file 100\n",
		}, 700},
		{"a path that leads out", map[string]string{
			"proc/self/cgroup":             "0::/../../x\n",
			"sys/fs/cgroup/memory.max":     "1000\n",
			"sys/fs/cgroup/memory.current": "0\n",
		}, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, data := range tt.files {
				root[name] = &fstest.MapFile{Data: []byte(data)}
			}
			if got := cgroupAvailable(root); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
