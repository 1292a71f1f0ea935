package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Reaper starts programs and waits for every child of its process. Nothing
// else in the process may wait for children: not os/exec, not os.Process.
type Reaper struct {
	mu       sync.Mutex
	children map[int]*Process

	signals chan os.Signal
	done    chan struct{}
}

// NewReaper begins to reap. Close ends it.
func NewReaper() *Reaper {
	r := &Reaper{
		children: make(map[int]*Process),
		signals:  make(chan os.Signal, 1),
		done:     make(chan struct{}),
	}
	signal.Notify(r.signals, syscall.SIGCHLD)
	go func() {
		defer close(r.done)
		for range r.signals {
			r.reap()
		}
	}()
	return r
}

// Close ends the reaping, after which nobody waits for what still runs.
func (r *Reaper) Close() {
	signal.Stop(r.signals)
	close(r.signals)
	<-r.done
}

// reap takes all children that have ended. One signal may stand for many.
func (r *Reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if p := r.children[pid]; p != nil {
			delete(r.children, pid)
			p.status = status
			close(p.done)
		}
	}
}

// Command is a program to start. Args includes the program's name. Files are
// its descriptors 0, 1, 2 and so on; the caller keeps and closes its own. Cgroup,
// if not nil, is the directory of the control group to start it in.
type Command struct {
	Path  string
	Args  []string
	Env   []string
	Dir   string
	Files []*os.File
	Sys   syscall.SysProcAttr
	Nice  int // -20 for what goes first, to 19

	Cgroup *os.File
}

// Process is a program that a [Reaper] started.
type Process struct {
	PID    int
	reaper *Reaper
	done   chan struct{}
	status syscall.WaitStatus
}

// Start starts a program.
func (r *Reaper) Start(c Command) (*Process, error) {
	attr := &syscall.ProcAttr{Dir: c.Dir, Env: c.Env, Sys: &c.Sys}
	for _, f := range c.Files {
		attr.Files = append(attr.Files, f.Fd())
	}
	if c.Cgroup != nil {
		c.Sys.UseCgroupFD, c.Sys.CgroupFD = true, int(c.Cgroup.Fd())
	}
	// With the lock, the child cannot be reaped before it is known.
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := syscall.ForkExec(c.Path, c.Args, attr)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	if c.Nice != 0 {
		// Refused, it runs like all others.
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, pid, c.Nice)
	}
	p := &Process{PID: pid, reaper: r, done: make(chan struct{})}
	r.children[pid] = p
	return p, nil
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// End says, after Done, how the program ended: "exit code 1" or
// "signal: killed".
func (p *Process) End() string {
	if p.status.Signaled() {
		return "signal: " + p.status.Signal().String()
	}
	return fmt.Sprintf("exit code %d", p.status.ExitStatus())
}

// ExitCode returns, after Done, that of the program, or 128+n if signal n ended
// it.
func (p *Process) ExitCode() int {
	if p.status.Signaled() {
		return 128 + int(p.status.Signal())
	}
	return p.status.ExitStatus()
}

// Kill ends the program unless it has ended; its number is not signalled once
// it may belong to another one.
func (p *Process) Kill() {
	p.reaper.mu.Lock()
	defer p.reaper.mu.Unlock()
	if p.reaper.children[p.PID] == p {
		syscall.Kill(p.PID, syscall.SIGKILL)
	}
}
