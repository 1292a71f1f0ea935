package oracle

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/vmette/vmette-mcp/desktop"
)

// Remote is a [Host]: the machine of a guest agent, which is reached through the
// actions that it performs.
type Remote struct {
	// Do performs one action, as [desktop.Client.Do] does.
	Do func(context.Context, desktop.Action, desktop.Observe) (*desktop.Result, error)
}

// outputWait is how long one question for reports waits at most, in
// milliseconds.
const outputWait = 60_000

// Start implements [Host]. The files stay in the guest.
func (r Remote) Start(ctx context.Context, files fs.FS, args ...string) (io.ReadCloser, error) {
	dir := "oracle/" + strings.TrimSuffix(args[0], path.Ext(args[0])) // in the home directory
	err := fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		_, err = r.Do(ctx, desktop.WriteFile{Path: path.Join(dir, name), Parents: true, Data: data}, desktop.Observe{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("copy programs to the guest: %w", err)
	}
	words := []string{"cd", quoted(dir), "&&", "exec", "env"}
	for _, v := range environment {
		words = append(words, quoted(v))
	}
	words = append(words, python)
	for _, a := range args {
		words = append(words, quoted(a))
	}
	res, err := r.Do(ctx, desktop.Exec{Command: strings.Join(words, " "), Background: true}, desktop.Observe{})
	if err != nil {
		return nil, err
	}
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	return &job{do: r.Do, number: res.Exec.Job, ctx: reading, stop: stop}, nil
}

// quoted returns a word for a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// job is a program in the guest.
type job struct {
	do     func(context.Context, desktop.Action, desktop.Observe) (*desktop.Result, error)
	number int
	ctx    context.Context // of Read
	stop   context.CancelFunc

	mu     sync.Mutex // held by Read; guards the rest
	stdout []byte     // not yet read
	stderr string     // the end of it
	over   bool
}

// Read waits for something that the program writes.
func (j *job) Read(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.stdout) == 0 {
		if j.over {
			return 0, fmt.Errorf("it has ended and said %q: %w", j.stderr, io.EOF)
		}
		res, err := j.do(j.ctx, desktop.ExecOutput{Job: j.number, WaitMS: outputWait}, desktop.Observe{})
		if err != nil {
			return 0, err
		}
		if int64(len(res.Stdout)) < res.Exec.StdoutTotal {
			return 0, fmt.Errorf("%d of %d bytes of reports were lost", res.Exec.StdoutTotal-int64(len(res.Stdout)), res.Exec.StdoutTotal)
		}
		j.stdout, j.over = res.Stdout, !res.Exec.Running
		j.stderr += string(res.Stderr)
		j.stderr = j.stderr[max(0, len(j.stderr)-maxComplaint):]
	}
	n := copy(b, j.stdout)
	j.stdout = j.stdout[n:]
	return n, nil
}

// maxComplaint is how much is told of what a program that has ended said.
const maxComplaint = 4 << 10

// Close implements [io.Closer]. A Read that is still under way could be told that
// the program has ended, and the guest tells that once.
func (j *job) Close() error {
	j.stop()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over {
		return nil
	}
	_, err := j.do(context.WithoutCancel(j.ctx), desktop.ExecStop{Job: j.number}, desktop.Observe{})
	return err
}
