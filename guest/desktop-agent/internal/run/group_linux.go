package run

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// groups are control groups below one that belongs to this user: one for each
// command, so that a command can be killed with everything it started, even
// what has left its process group or become root. Without a directory there
// are none, and a command is its process group.
type groups struct {
	dir string

	mu   sync.Mutex
	last uint64
	held map[string]bool // by a command that is being started or runs; not to be swept, even while empty
}

// group is the control group of one command, or nil.
type group struct {
	all *groups
	dir *os.File
}

// open makes a new group.
func (g *groups) open() (*group, error) {
	if g.dir == "" {
		return nil, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	g.last++
	name := filepath.Join(g.dir, fmt.Sprintf("exec-%d-%d", os.Getpid(), g.last))
	if err := os.Mkdir(name, 0o755); err != nil {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	dir, err := os.Open(name)
	if err != nil {
		os.Remove(name)
		return nil, fmt.Errorf("open control group: %w", err)
	}
	if g.held == nil {
		g.held = make(map[string]bool)
	}
	g.held[name] = true
	return &group{g, dir}, nil
}

// sweep removes the groups of commands that have ended, once the programs they
// left running are gone: the kernel refuses to remove a group before that. The
// caller holds mu.
func (g *groups) sweep() {
	old, err := filepath.Glob(filepath.Join(g.dir, "exec-*"))
	if err != nil {
		return
	}
	for _, name := range old {
		if !g.held[name] {
			unix.Rmdir(name)
		}
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
	if g == nil {
		return
	}
	g.all.mu.Lock()
	defer g.all.mu.Unlock()
	delete(g.all.held, g.dir.Name())
	unix.Rmdir(g.dir.Name())
	g.dir.Close()
}
