package run

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// drainTime is how long a command that is over may be outlived by programs that
// hold its output, before the answer goes out without them. It lets the last
// words of a process substitution through; what the shell itself wrote is
// complete without it.
const drainTime = 50 * time.Millisecond

// maxLeft is how many pipes of programs left running are read at a time. The
// ones that are left first lose theirs.
const maxLeft = 256

// Runner runs commands. It is safe for concurrent use. Close it.
type Runner struct {
	groups groups
	jobs   jobs

	mu     sync.Mutex
	closed bool
	left   []*stream // whose pipes outlived their command, oldest first
	wg     sync.WaitGroup
}

// New returns a Runner that makes a control group for each command in cgroup,
// a directory of cgroup v2 that belongs to this user, or none if it is empty.
func New(cgroup string) *Runner { return &Runner{groups: groups{dir: cgroup}} }

// Close kills the jobs and forgets the programs that commands left running; their
// next write to the pipes that they were given ends them. No other method may be
// under way.
func (r *Runner) Close() {
	r.endJobs()
	r.mu.Lock()
	r.closed = true
	left := r.left
	r.left = nil
	r.mu.Unlock()
	for _, s := range left {
		s.close()
	}
	r.wg.Wait()
}

// Run runs a command and returns what became of it, with the excerpts of
// stdout and then stderr appended to buf. When ctx ends, the command is killed.
// Its errors are *desktop.Error.
func (r *Runner) Run(ctx context.Context, a desktop.Exec, buf []byte) (desktop.Output, []byte, error) {
	limit := time.Duration(a.TimeoutMS) * time.Millisecond
	if limit == 0 {
		limit = desktop.DefaultExecTimeout
	}
	c, err := r.start(a.Command)
	if err != nil {
		return desktop.Output{}, buf, desktop.Errorf(desktop.CodeInternal, "start the shell: %v", err)
	}
	defer c.group.close()

	timer := time.NewTimer(limit)
	defer timer.Stop()
	var timedOut, cancelled bool
	select {
	case <-c.ended:
		drain(ctx, c.out.done, c.err.done)
	case <-timer.C:
		timedOut = true
	case <-ctx.Done():
		cancelled = true
	}
	if timedOut || cancelled {
		c.kill()
		<-c.ended
	}
	out, buf := c.output(buf, true)
	r.leave(c.out, c.err)
	if cancelled {
		return desktop.Output{}, buf, desktop.Errorf(desktop.CodeCancelled, "the command was stopped, with all that it had started; what it had done by then is done")
	}
	out.ExitCode = exitCode(c.cmd.ProcessState)
	if out.TimedOut = timedOut; timedOut {
		out.ExitCode = -1
	}
	return out, buf, nil
}

// command is a shell that runs.
type command struct {
	cmd      *exec.Cmd
	group    *group
	out, err *stream
	ended    chan struct{} // closed when the shell has ended
}

func (r *Runner) start(script string) (*command, error) {
	c := &command{cmd: shell(script), ended: make(chan struct{})}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var err error
	if c.group, err = r.groups.open(); err != nil {
		return nil, err
	}
	if c.group != nil {
		c.cmd.SysProcAttr.UseCgroupFD = true
		c.cmd.SysProcAttr.CgroupFD = int(c.group.dir.Fd())
	}
	var stdout, stderr *os.File
	if c.out, stdout, err = newStream(); err != nil {
		c.group.close()
		return nil, err
	}
	defer stdout.Close()
	if c.err, stderr, err = newStream(); err != nil {
		c.group.close()
		c.out.f.Close()
		return nil, err
	}
	defer stderr.Close()
	c.cmd.Stdout, c.cmd.Stderr = stdout, stderr
	if err := c.cmd.Start(); err != nil {
		c.group.close()
		c.out.f.Close()
		c.err.f.Close()
		return nil, err
	}
	r.wg.Go(c.out.read)
	r.wg.Go(c.err.read)
	r.wg.Go(func() {
		defer close(c.ended)
		c.cmd.Wait()
	})
	return c, nil
}

// kill kills the command with all that it has started. Without a control group
// that can be done only while its shell runs.
func (c *command) kill() {
	if c.group == nil && isClosed(c.ended) {
		return
	}
	if err := c.group.kill(c.cmd.Process.Pid); err != nil && !errors.Is(err, syscall.ESRCH) {
		c.cmd.Process.Kill()
	}
}

// output appends what is kept of stdout and then of stderr to buf, and says how
// much that is.
func (c *command) output(buf []byte, last bool) (desktop.Output, []byte) {
	stdout, stderr := c.out.take(last), c.err.take(last)
	out := desktop.Output{StdoutTotal: stdout.total, StderrTotal: stderr.total}
	begin := len(buf)
	buf = stdout.appendTo(buf)
	out.StdoutLen = len(buf) - begin
	begin = len(buf)
	buf = stderr.appendTo(buf)
	out.StderrLen = len(buf) - begin
	return out, buf
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// shell is a login shell, so that PATH and the like are what the image's
// administrator wanted them to be.
func shell(script string) *exec.Cmd {
	if bash, err := exec.LookPath("bash"); err == nil {
		return exec.Command(bash, "-lc", script)
	}
	return exec.Command("/bin/sh", "-c", script)
}

// drain waits for the end of both pipes, but not longer than drainTime.
func drain(ctx context.Context, a, b <-chan struct{}) {
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	for _, end := range []<-chan struct{}{a, b} {
		select {
		case <-end:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// leave keeps reading the pipes that are still open, so that programs left
// running do not get SIGPIPE.
func (r *Runner) leave(streams ...*stream) {
	r.mu.Lock()
	var drop []*stream
	left := r.left[:0]
	for _, s := range append(r.left, streams...) {
		select {
		case <-s.done:
		default:
			left = append(left, s)
		}
	}
	if n := len(left) - maxLeft; n > 0 {
		drop = append(drop, left[:n]...)
		left = append(left[:0], left[n:]...)
	}
	if r.closed {
		drop, left = append(drop, left...), nil
	}
	r.left = left
	r.mu.Unlock()
	for _, s := range drop {
		s.close()
	}
}

// exitCode is that of the shell, or 128+n after signal n, as shells say it.
func exitCode(p *os.ProcessState) int {
	status, ok := p.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.ExitCode()
}
