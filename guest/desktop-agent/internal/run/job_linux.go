package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// maxJobs is how many jobs there are at once: those that run, and those whose end
// nobody has been told of.
const maxJobs = 64

// jobs are commands in the background, by number.
type jobs struct {
	mu   sync.Mutex // also held while output is taken, so that each part of it goes to one caller
	last int        // number given out
	all  map[int]*job
}

// job is a command in the background.
type job struct {
	*command
	script   string
	timedOut bool          // whether its limit ended it
	over     chan struct{} // closed when it has ended, after timedOut is set
}

// Start starts a job and returns when it runs. Without a time limit it may run
// until it is stopped or the Runner is closed. Its errors are *desktop.Error.
func (r *Runner) Start(a desktop.Exec) (Started, error) {
	r.jobs.mu.Lock()
	defer r.jobs.mu.Unlock()
	if err := r.makeRoom(); err != nil {
		return Started{}, err
	}
	c, err := r.start(a.Command)
	if err != nil {
		return Started{}, desktop.Errorf(desktop.CodeInternal, "start the shell: %v", err)
	}
	j := &job{command: c, script: a.Command, over: make(chan struct{})}
	r.wg.Go(func() { j.watch(time.Duration(a.TimeoutMS) * time.Millisecond) })
	r.jobs.last++
	if r.jobs.all == nil {
		r.jobs.all = make(map[int]*job)
	}
	r.jobs.all[r.jobs.last] = j
	return Started{r.jobs.last, c.cmd.Process.Pid, j.over}, nil
}

// watch waits for the end of a job, and brings it about when its time is up.
func (j *job) watch(limit time.Duration) {
	defer close(j.over)
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-j.ended:
		case <-timer.C:
			j.timedOut = true
			j.kill()
		}
	}
	<-j.ended
}

// makeRoom forgets the oldest job that is over when there are too many. The
// caller holds mu of jobs.
func (r *Runner) makeRoom() error {
	if len(r.jobs.all) < maxJobs {
		return nil
	}
	for _, n := range r.jobs.numbers() {
		if j := r.jobs.all[n]; isClosed(j.over) {
			j.output(nil, true)
			r.forget(n, j)
			return nil
		}
	}
	return desktop.Errorf(desktop.CodeUnavailable, "%d jobs are running, more cannot be: end one with exec_stop; there are %s", maxJobs, r.jobs.list())
}

// Output returns what a job has written since it was asked last, as Run does. When
// that is nothing and the job runs, it waits.
func (r *Runner) Output(ctx context.Context, a desktop.ExecOutput, buf []byte) (desktop.Output, []byte, error) {
	j, err := r.job(a.Job)
	if err != nil {
		return desktop.Output{}, buf, err
	}
	timer := time.NewTimer(time.Duration(a.WaitMS) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-j.over:
	case <-j.out.wait():
	case <-j.err.wait():
	case <-timer.C:
	case <-ctx.Done():
		return desktop.Output{}, buf, desktop.Errorf(desktop.CodeCancelled, "the wait for job %d was cut short; it goes on, and what it writes is kept", a.Job)
	}
	return r.collect(ctx, a.Job, j, buf)
}

// Stop kills a job with all that it has started, and returns the rest of its
// output.
func (r *Runner) Stop(ctx context.Context, a desktop.ExecStop, buf []byte) (desktop.Output, []byte, error) {
	j, err := r.job(a.Job)
	if err != nil {
		return desktop.Output{}, buf, err
	}
	j.kill()
	select {
	case <-j.over:
	case <-ctx.Done():
		return desktop.Output{}, buf, desktop.Errorf(desktop.CodeUnknown, "job %d was killed, but nobody waited for its end: ask for it with exec_output", a.Job)
	}
	return r.collect(ctx, a.Job, j, buf)
}

// collect takes the output of a job, and forgets one that is over.
func (r *Runner) collect(ctx context.Context, n int, j *job, buf []byte) (desktop.Output, []byte, error) {
	over := isClosed(j.over)
	if over {
		drain(ctx, j.out.done, j.err.done)
	}
	r.jobs.mu.Lock()
	defer r.jobs.mu.Unlock()
	if r.jobs.all[n] != j {
		return desktop.Output{}, buf, r.jobs.unknown(n)
	}
	out, buf := j.output(buf, over)
	out.Job, out.Running = n, !over
	if over {
		out.ExitCode = exitCode(j.cmd.ProcessState)
		if out.TimedOut = j.timedOut; out.TimedOut {
			out.ExitCode = -1
		}
		r.forget(n, j)
	}
	return out, buf, nil
}

// forget forgets a job that is over and whose output has been taken. The caller
// holds mu of jobs.
func (r *Runner) forget(n int, j *job) {
	delete(r.jobs.all, n)
	j.group.close()
	r.leave(j.out, j.err)
}

// endJobs kills all jobs.
func (r *Runner) endJobs() {
	r.jobs.mu.Lock()
	defer r.jobs.mu.Unlock()
	for n, j := range r.jobs.all {
		j.kill()
		<-j.over
		j.output(nil, true)
		r.forget(n, j)
	}
}

func (r *Runner) job(n int) (*job, error) {
	r.jobs.mu.Lock()
	defer r.jobs.mu.Unlock()
	if j, ok := r.jobs.all[n]; ok {
		return j, nil
	}
	return nil, r.jobs.unknown(n)
}

// The callers of the following hold mu.

func (j *jobs) unknown(n int) error {
	was := "does not exist"
	if n <= j.last {
		was = "is over and all of its output has been told"
	}
	return desktop.Errorf(desktop.CodeInvalid, "job %d %s: there are %s", n, was, j.list())
}

func (j *jobs) numbers() []int { return slices.Sorted(maps.Keys(j.all)) }

// list names the jobs, such as "job 2 (running: make) and job 5 (over: ls)".
func (j *jobs) list() string {
	const shown = 10
	var names []string
	for i, n := range j.numbers() {
		if i == shown {
			names = append(names, fmt.Sprintf("%d more", len(j.all)-shown))
			break
		}
		state := "running"
		if isClosed(j.all[n].over) {
			state = "over"
		}
		names = append(names, fmt.Sprintf("job %d (%s: %s)", n, state, desktop.PlainLine(j.all[n].script, 60)))
	}
	switch last := len(names) - 1; last {
	case -1:
		return "no jobs"
	case 0:
		return names[0]
	default:
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
}
