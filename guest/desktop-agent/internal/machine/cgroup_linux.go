package machine

import (
	"fmt"
	"os"
	"path/filepath"
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
