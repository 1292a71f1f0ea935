package serve

import (
	"context"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/run"
)

// Runner runs shell commands. See package run. Its errors are *desktop.Error.
type Runner interface {
	// Run runs a command and appends its output to buf.
	Run(ctx context.Context, a desktop.Exec, buf []byte) (desktop.Output, []byte, error)
	// Start starts a job.
	Start(desktop.Exec) (run.Started, error)
	// Output appends to buf what a job has written since it was asked last.
	Output(ctx context.Context, a desktop.ExecOutput, buf []byte) (desktop.Output, []byte, error)
	// Stop kills a job and appends to buf what is left of its output.
	Stop(ctx context.Context, a desktop.ExecStop, buf []byte) (desktop.Output, []byte, error)
}

func execute(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	e := a.(desktop.Exec)
	if !e.Background {
		return output(s.Runner.Run(ctx, e, nil))
	}
	started, err := s.Runner.Start(e)
	return output(desktop.Output{Job: started.Job, Running: true}, nil, err)
}

func execOutput(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	return output(s.Runner.Output(ctx, a.(desktop.ExecOutput), nil))
}

func execStop(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	return output(s.Runner.Stop(ctx, a.(desktop.ExecStop), nil))
}

// output is the outcome of a command whose output is in payload.
func output(out desktop.Output, payload []byte, err error) (outcome, error) {
	if err != nil {
		return outcome{}, err
	}
	o := outcome{payload: payload}
	o.Exec = &out
	return o, nil
}
