package sandbox

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// RunOutput is what came of a [Run].
type RunOutput struct {
	ExitCode  int           // of the command: 128+n when signal n ended it, 127 when there is no such program; -1 when it did not end
	Stdout    []byte        // at most [Config.Capture] bytes, half of them from the end when there was more; all output, with a terminal
	Stderr    []byte        // likewise
	StdoutAll int64         // how many bytes the command wrote
	StderrAll int64         // likewise
	Truncated bool          // whether there was more of either than is here
	Took      time.Duration // from when the sandbox was up to the end of the command
	Isolation Isolation
	Console   string // the end of what the guest wrote to its serial console
}

// Run boots cfg on b, runs its command, and returns when that has ended and
// nothing of the sandbox is left. cfg.Workload is taken for [WorkloadOneShot].
// That the command failed is no error: see [RunOutput.ExitCode].
//
// The error matches one of those of [Start], or [ErrTimeout] when the command took
// longer than cfg allows, or the cause of ctx; with these two the RunOutput
// holds what the command had written by then. Any other error says that the
// sandbox broke; it matches [ErrVsock] if the connection to it did.
//
// For more control over the command, such as its input, Start it.
func Run(ctx context.Context, b Backend, cfg Config) (RunOutput, error) {
	return run(ctx, b, cfg, StartOptions{}, func(*Session) {})
}

// RunOptions are the parts of a [Manager.Run] that are not data.
type RunOptions struct {
	Stdin  io.Reader         // of the command; nil is empty
	OnStep func(step string) // called as each step of the boot begins, and the command; may be nil
}

// Run is like the function of that name, for a sandbox that is one of the manager's:
// it takes room, and without any the error matches [ErrCapacity] at once; its network
// is within [ManagerConfig.Network]; nothing of it outlives the process; and Close
// ends it, with an error that matches [ErrStopped]. It has no handle and is in no
// list.
func (m *Manager) Run(ctx context.Context, cfg Config, opts RunOptions) (RunOutput, error) {
	cfg.Workload = WorkloadOneShot
	if err := cfg.Validate(); err != nil {
		return RunOutput{ExitCode: -1}, err
	}
	ctx, end, err := m.begin(ctx)
	if err != nil {
		return RunOutput{ExitCode: -1}, err
	}
	defer end()
	started := sync.OnceFunc(m.pool.stepAside())
	defer started()
	booking, err := m.book(cfg.WithDefaults().MemoryMiB)
	if err != nil {
		return RunOutput{ExitCode: -1}, err
	}
	defer booking.cancel()
	start := m.startOptions(newSecret(), opts.OnStep)
	start.Hostname = "" // nobody tells such sandboxes apart
	start.Stdio.In = opts.Stdin
	return run(ctx, m.cfg.Backend, cfg, start, func(s *Session) {
		started()
		booking.weigh(resident(s.machine))
	})
}

// run is [Run] with options whose outputs it fills in. It calls up when the sandbox is.
func run(ctx context.Context, b Backend, cfg Config, opts StartOptions, up func(*Session)) (RunOutput, error) {
	cfg.Workload = WorkloadOneShot
	cfg = cfg.WithDefaults()
	stdout, stderr := excerpt{room: cfg.Capture}, excerpt{room: cfg.Capture}
	opts.Stdio.Out, opts.Stdio.Err = &stdout, &stderr
	s, err := Start(ctx, b, cfg, opts)
	if err != nil {
		return RunOutput{ExitCode: -1}, err
	}
	begun := time.Now()
	up(s)
	if opts.OnStep != nil {
		opts.OnStep("run command")
	}
	select {
	case <-s.ctx.Done():
	case <-ctx.Done():
	}
	took := time.Since(begun)
	_, err = s.Wait(ctx)
	s.Stop() // does nothing to a session that has ended
	out := RunOutput{
		ExitCode:  -1,
		Stdout:    stdout.kept(),
		Stderr:    stderr.kept(),
		StdoutAll: stdout.total,
		StderrAll: stderr.total,
		Truncated: stdout.more() || stderr.more(),
		Took:      took,
		Isolation: s.Isolation(),
		Console:   s.Console(),
	}
	end := s.ending()
	switch {
	case end.Reason == EndExited:
		out.ExitCode = end.Code
		return out, nil
	case err != nil:
		return out, fmt.Errorf("run command: %w", err)
	case end.Err == nil:
		return out, fmt.Errorf("run command: %w", ErrStopped)
	}
	return out, fmt.Errorf("run command: %w", end.Err)
}
