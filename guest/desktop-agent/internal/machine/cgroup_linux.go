package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

const cgroupRoot = "/sys/fs/cgroup"

// DelegateCgroup makes a group of processes that belongs to the user: a program
// of the user's in its child "agent" may make others beside it, move its
// children there, and kill all that is in one at once, programs of root
// included. It returns the path of the group. See "Delegation" in the kernel's
// Documentation/admin-guide/cgroup-v2.rst.
func DelegateCgroup(u User) (string, error) {
	group := filepath.Join(cgroupRoot, "vmette")
	agent := AgentCgroup(group)
	if err := os.MkdirAll(agent, 0o755); err != nil {
		return "", fmt.Errorf("make control group: %w", err)
	}
	for _, name := range []string{group, group + "/cgroup.procs", agent, agent + "/cgroup.procs"} {
		if err := os.Chown(name, u.UID, u.GID); err != nil {
			return "", fmt.Errorf("delegate control group: %w", err)
		}
	}
	return group, nil
}

// AgentCgroup is the child of a delegated group in which its user's agent runs.
func AgentCgroup(group string) string { return filepath.Join(group, "agent") }

// RaiseLimits allows as many open files as programs of a desktop are used to.
// The soft limit stays low for the sake of programs that use select(2).
func RaiseLimits() error {
	return setFileLimit(1024, 524288)
}

// ProtectFromOOM sets how likely the kernel is to kill a process when memory
// runs out; its children inherit it. -1000 is never, 0 is the rule.
func ProtectFromOOM(pid, score int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(strconv.Itoa(score)), 0)
}
