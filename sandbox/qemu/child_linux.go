package qemu

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// leastPriority is the nice value of what can wait.
const leastPriority = 19

// child is a process that dies with this one, and that stays a zombie after its
// death until its owner has it reaped: as long as it is one, nobody else can
// have its pid, which names the guest's memory to the vsock device.
type child struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is dead
	reap   chan struct{} // closed to have it reaped
	reaped chan struct{} // closed when it has been
	err    error         // of cmd.Wait, after reaped
}

// childOptions say how a child runs.
type childOptions struct {
	cred       *syscall.Credential // whom it runs as; nil for the same user
	background bool                // it gets the processors that nobody else wants
	smallPages bool                // see startWithSmallPages
}

// startChild starts cmd with files inherited, in a process group of its own so
// that a Ctrl-C in this one's terminal is not for it.
func startChild(cmd *exec.Cmd, files []*os.File, opts childOptions) (*child, error) {
	c := &child{
		cmd:    cmd,
		exited: make(chan struct{}),
		reap:   make(chan struct{}),
		reaped: make(chan struct{}),
	}
	cmd.ExtraFiles = files
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Credential = opts.cred
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the thread that started the
		// child ends, not the process. So this goroutine keeps a thread to
		// itself for as long as the child lives, and takes it along when it
		// ends.
		runtime.LockOSThread()
		if opts.background {
			// A child inherits it from the thread that starts it, and in Linux
			// each thread has its own. It fails only if it is so already.
			_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), leastPriority)
		}
		start := cmd.Start
		if opts.smallPages {
			start = func() error { return startWithSmallPages(cmd) }
		}
		if err := start(); err != nil {
			started <- err
			return
		}
		started <- nil
		waitDead(cmd.Process.Pid)
		close(c.exited)
		<-c.reap
		c.err = cmd.Wait()
		close(c.reaped)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// forking is held while this process has the kernel give it no huge pages.
var forking sync.Mutex

// startWithSmallPages starts cmd such that the kernel gives it no huge pages: QEMU
// asks for them for its translated code, of which most are filled in part, so that
// each machine takes some MiB more. A child takes this over from its parent (prctl(2),
// PR_SET_THP_DISABLE), for which a moment without them is nothing.
func startWithSmallPages(cmd *exec.Cmd) error {
	forking.Lock()
	defer forking.Unlock()
	was, err := unix.PrctlRetInt(unix.PR_GET_THP_DISABLE, 0, 0, 0, 0)
	if err == nil && was == 0 && unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0) == nil {
		defer unix.Prctl(unix.PR_SET_THP_DISABLE, 0, 0, 0, 0)
	}
	return cmd.Start()
}

// waitDead returns when process pid, a child, is dead, and does not reap it.
func waitDead(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// pid returns the process's id, which is its own until it is reaped.
func (c *child) pid() int { return c.cmd.Process.Pid }

// residentMiB returns how much of the host's memory process pid has, files apart
// and with shared memory only if that is its own (proc_pid_status(5)): 0 when it
// has ended.
func residentMiB(pid int, ownShared bool) (mib int) {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		if name == "RssAnon" || name == "RssShmem" && ownShared {
			kib, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			mib += kib >> 10
		}
	}
	return mib
}

// dead reports whether the process has ended.
func (c *child) dead() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// kill ends the process and returns when it is dead.
func (c *child) kill() {
	c.cmd.Process.Kill() // fails only if it is dead already
	<-c.exited
}

// wait reaps the process, which must be dead, and returns how it ended, as
// [exec.Cmd.Wait] does. It is to be called once.
func (c *child) wait() error {
	close(c.reap)
	<-c.reaped
	return c.err
}

// killed reports whether the process, which has been reaped, ended by SIGKILL.
func (c *child) killed() bool {
	st, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && st.Signal() == syscall.SIGKILL
}
