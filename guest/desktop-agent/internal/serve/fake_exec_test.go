package serve

import (
	"context"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/run"
)

// fakeRunner echoes the command to stdout, or waits for its end. It has one job,
// which has said "news".
type fakeRunner struct{}

func (fakeRunner) Run(ctx context.Context, a desktop.Exec, buf []byte) (desktop.Output, []byte, error) {
	if a.Command == "forever" {
		<-ctx.Done()
		return desktop.Output{}, buf, desktop.Errorf(desktop.CodeCancelled, "stopped")
	}
	n := len(a.Command)
	return desktop.Output{StdoutLen: n, StdoutTotal: int64(n)}, append(buf, a.Command...), nil
}

func (fakeRunner) Start(desktop.Exec) (run.Started, error) { return run.Started{Job: 1}, nil }

func (fakeRunner) Output(_ context.Context, a desktop.ExecOutput, buf []byte) (desktop.Output, []byte, error) {
	return desktop.Output{Job: a.Job, Running: true, StdoutLen: 4, StdoutTotal: 4}, append(buf, "news"...), nil
}

func (fakeRunner) Stop(_ context.Context, a desktop.ExecStop, buf []byte) (desktop.Output, []byte, error) {
	return desktop.Output{Job: a.Job, ExitCode: 137}, buf, nil
}

// fakeFiles has one file, which holds its own path.
type fakeFiles struct{}

func (fakeFiles) Read(_ context.Context, a desktop.ReadFile) (desktop.File, []byte, error) {
	return desktop.File{Name: a.Path, Type: desktop.FileRegular, Size: int64(len(a.Path))}, []byte(a.Path), nil
}

func (fakeFiles) Write(a desktop.WriteFile) (desktop.File, error) {
	return desktop.File{Name: a.Path, Type: desktop.FileRegular, Size: int64(len(a.Data))}, nil
}

func (fakeFiles) List(desktop.ListFiles) (desktop.Listing, error) {
	return desktop.Listing{Total: 1, Files: []desktop.File{{Name: "a", Type: desktop.FileRegular}}}, nil
}
