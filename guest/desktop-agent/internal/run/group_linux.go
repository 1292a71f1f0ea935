package run

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// groups are control groups below one that belongs to this user: one for each
// command, so that a command can be killed with everything it started, even
// what has left its process group or become root. Without a directory there
// are none, and a command is its process group.
type groups struct {
	dir  string
	last atomic.Uint64
}

// group is the control group of one command, or nil.
type group struct{ dir *os.File }

// open makes a new group.
func (g *groups) open() (*group, error) {
	if g.dir == "" {
		return nil, nil
	}
	g.sweep()
	name := filepath.Join(g.dir, fmt.Sprintf("exec-%d-%d", os.Getpid(), g.last.Add(1)))
	if err := os.Mkdir(name, 0o755); err != nil {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	dir, err := os.Open(name)
	if err != nil {
		os.Remove(name)
		return nil, fmt.Errorf("open control group: %w", err)
	}
	return &group{dir}, nil
}

// sweep removes the groups whose programs are gone. The kernel refuses to
// remove the others.
func (g *groups) sweep() {
	old, err := filepath.Glob(filepath.Join(g.dir, "exec-*"))
	if err != nil {
		return
	}
	for _, name := range old {
		unix.Rmdir(name)
	}
}

// kill kills all processes of the group whose shell is pid.
func (g *group) kill(pid int) error {
	if g == nil {
		return unix.Kill(-pid, unix.SIGKILL)
	}
	return os.WriteFile(filepath.Join(g.dir.Name(), "cgroup.kill"), []byte("1"), 0)
}

// close removes the group unless programs were left running in it.
func (g *group) close() {
	if g != nil {
		unix.Rmdir(g.dir.Name())
		g.dir.Close()
	}
}
