package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
)

// fakePrograms are one language of its own image, and one that needs an image to be
// named.
type fakePrograms struct{ host *fakeHost }

func (fakePrograms) Languages() []string { return []string{"sh", "ook"} }

func (fakePrograms) Images() []string { return []string{"apes", "fake"} }

func (p fakePrograms) Config(_ context.Context, language, image, code string, tell func(*NotReadyError)) (sandbox.Config, error) {
	if p.host.imageErr != nil {
		tell(p.host.imageErr.(*NotReadyError))
		return sandbox.Config{}, p.host.imageErr
	}
	if image == "" && language == "ook" {
		return sandbox.Config{}, errors.New("there is no image for ook alone: send image")
	}
	if image == "" {
		image = "fake"
	}
	return sandbox.Config{Image: image, Exec: sandbox.Exec{Args: []string{language, code}}}, nil
}

// Run runs "exit N", "echo TEXT", which goes to both streams, "cat", "much", which
// writes more than is kept, and "hang", which is ended when its time is up, at once, or by
// its client. It takes a second and a half.
func (h *fakeHost) Run(ctx context.Context, cfg sandbox.Config, opts sandbox.RunOptions) (sandbox.RunOutput, error) {
	out := sandbox.RunOutput{Isolation: sandbox.IsolationEmulated, Took: 1500 * time.Millisecond}
	h.mu.Lock()
	full := len(h.live) >= h.capacity
	h.mu.Unlock()
	if full {
		return out, fmt.Errorf("%w: %d of %d are running", sandbox.ErrCapacity, h.capacity, h.capacity)
	}
	if h.bootErr != nil {
		return out, h.bootErr
	}
	opts.OnStep("run command")
	word, rest, _ := strings.Cut(cfg.Exec.Args[1], " ")
	switch word {
	case "exit":
		_, err := fmt.Sscan(rest, &out.ExitCode)
		return out, err
	case "echo":
		out.Stdout, out.Stderr = []byte(rest), []byte("also "+rest)
	case "cat":
		var err error
		if out.Stdout, err = io.ReadAll(opts.Stdin); err != nil {
			return out, err
		}
	case "much":
		out.Stdout, out.StdoutAll = []byte("beginend"), 1<<30
		return out, nil
	case "hang":
		if h.executes != nil {
			h.executes <- cfg
			<-ctx.Done()
			h.executes <- cfg
			return out, context.Cause(ctx)
		}
		out.ExitCode, out.Stdout, out.StdoutAll = -1, []byte("half"), 4
		return out, fmt.Errorf("run command: %w: it lasted longer than %v", sandbox.ErrTimeout, cfg.Timeout)
	case "break":
		return out, fmt.Errorf("run command: %w: the fuse has blown", sandbox.ErrVsock)
	}
	out.StdoutAll, out.StderrAll = int64(len(out.Stdout)), int64(len(out.Stderr))
	return out, nil
}
