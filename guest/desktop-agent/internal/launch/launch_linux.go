package launch

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/run"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/windows"
)

// handover is how long a window may be in coming when the command has ended well.
const handover = 10 * time.Second

// maxComplaint is how many bytes of what a failed command printed are told.
const maxComplaint = 2 << 10

// Jobs are commands in the background. See package run. Its errors are
// *desktop.Error.
type Jobs interface {
	Start(desktop.Exec) (run.Started, error)
	Output(ctx context.Context, a desktop.ExecOutput, buf []byte) (desktop.Output, []byte, error)
	Stop(ctx context.Context, a desktop.ExecStop, buf []byte) (desktop.Output, []byte, error)
}

// Launcher starts applications as jobs on a display.
type Launcher struct {
	Jobs    Jobs
	Windows windows.Windows
}

// Launch starts an application and returns when it has shown a window, or when
// its time is up. When ctx ends before, the application is stopped. Its errors are
// *desktop.Error.
func (l Launcher) Launch(ctx context.Context, a desktop.Launch) (Launched, error) {
	limit := time.Duration(a.TimeoutMS) * time.Millisecond
	if limit == 0 {
		limit = desktop.DefaultLaunchTimeout
	}
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := l.Windows.Watch(watching)
	if err != nil {
		return Launched{}, err
	}
	defer watch.Close()
	job, err := l.Jobs.Start(desktop.Exec{Command: a.Command})
	if err != nil {
		return Launched{}, err
	}
	opened := make(chan desktop.Window)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		defer close(opened)
		for {
			w, err := watch.Next(watching)
			if err != nil {
				return
			}
			select {
			case opened <- w:
			case <-watching.Done():
				return
			}
		}
	})
	defer watcher.Wait()
	defer cancel()
	return l.await(ctx, job, opened, limit)
}

// await waits for the window of a job.
func (l Launcher) await(ctx context.Context, job run.Started, opened <-chan desktop.Window, limit time.Duration) (Launched, error) {
	launched := Launched{Output: desktop.Output{Job: job.Job, Running: true}}
	begun := time.Now()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	over := job.Ended
	var foreign *desktop.Window // of another process, but opened since
	for {
		select {
		case w, ok := <-opened:
			if !ok && ctx.Err() == nil {
				launched.Notice = fmt.Sprintf("the application was started as job %d, but then the X server went away, so whether it has shown a window is not known", job.Job)
				return launched, nil
			}
			if ok && (over == nil || belongs(w.PID, job.PID)) {
				launched.Windows = []desktop.Window{w}
				return launched, nil
			}
			if ok && foreign == nil {
				foreign = &w
			}
		case <-over:
			over = nil
			var err error
			// It does not wait: the job is over.
			launched.Output, launched.Text, err = l.Jobs.Output(context.WithoutCancel(ctx), desktop.ExecOutput{Job: job.Job}, nil)
			if err != nil {
				return Launched{}, err
			}
			if launched.Output.ExitCode != 0 {
				return Launched{}, ended(launched)
			}
			if foreign != nil {
				launched.Windows = []desktop.Window{*foreign}
				return launched, nil
			}
			timer.Reset(min(limit-time.Since(begun), handover))
		case <-timer.C:
			if over == nil {
				return Launched{}, ended(launched)
			}
			launched.Notice = fmt.Sprintf("no window of the application has appeared within %v: it goes on as job %d, whose output exec_output tells", limit, job.Job)
			return launched, nil
		case <-ctx.Done():
			if over == nil {
				return Launched{}, desktop.Errorf(desktop.CodeCancelled, "the command had ended with exit code 0, but nobody waited until it had shown a window")
			}
			return Launched{}, l.stop(ctx, job)
		}
	}
}

// ended is how a launch failed whose command is over.
func ended(l Launched) error {
	said := "it printed nothing"
	if text := strings.Join(strings.Fields(string(l.Text)), " "); text != "" {
		said = "it printed: " + desktop.PlainLine(text[max(0, len(text)-maxComplaint):], maxComplaint)
	}
	return desktop.Errorf(desktop.CodeInvalid, "the command ended with exit code %d and no window has appeared; %s", l.Output.ExitCode, said)
}

// stop kills a job that nobody waits for any more.
func (l Launcher) stop(ctx context.Context, job run.Started) error {
	if _, _, err := l.Jobs.Stop(context.WithoutCancel(ctx), desktop.ExecStop{Job: job.Job}, nil); err != nil {
		return err
	}
	return desktop.Errorf(desktop.CodeCancelled, "the application was stopped, with all that it had started")
}
