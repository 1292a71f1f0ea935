package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/vmette/vmette-mcp/mcp/mcpclient"
)

// runner performs steps and writes them down.
type runner struct {
	caller Caller
	onStep func(Step)
	report *Report
	failed int // checks that did not hold
}

// act calls a tool as one step of the report. A tool that answers that it
// failed ends the demo.
func (r *runner) act(ctx context.Context, title, tool string, args map[string]any) (*mcpclient.Result, error) {
	encoded, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("%s: encode arguments: %w", title, err)
	}
	start := time.Now()
	res, err := r.caller.Call(ctx, tool, args)
	for err == nil && res.IsError && strings.Contains(res.Text, "the desktop is still starting") {
		res, err = r.caller.Call(ctx, tool, args) // as it says
	}
	step := Step{
		Title:  title,
		Tool:   tool,
		Millis: time.Since(start).Milliseconds(),
		OK:     err == nil && !res.IsError,
	}
	if len(args) > 0 {
		step.Args = encoded
	}
	switch {
	case err != nil:
		step.Answer = err.Error()
	default:
		step.Answer, step.image, step.imageType = res.Text, res.Image, res.ImageType
		if res.IsError {
			err = errors.New(res.Text)
		}
	}
	r.add(step)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", title, err)
	}
	return res, nil
}

// input is act for a tool whose answer does not matter beyond that it was
// done.
func (r *runner) input(ctx context.Context, title, tool string, args map[string]any) error {
	_, err := r.act(ctx, title, tool, args)
	return err
}

// check runs a command in the guest until it prints want, for as long as an
// application may take under emulation, and writes down whether it did.
func (r *runner) check(ctx context.Context, title, command, want string) error {
	start := time.Now()
	got, err := r.run(ctx, "await "+quote(want)+" "+quote(command), checkSeconds+30)
	if err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	ok := got == want
	if !ok {
		r.failed++
	}
	r.add(Step{
		Title:  title,
		Tool:   "exec",
		Millis: time.Since(start).Milliseconds(),
		Check:  &Check{Command: command, Want: want, Got: got},
		OK:     ok,
	})
	return nil
}

// run runs a command in the guest with the functions of library.sh, without
// writing it down, and returns what it printed.
func (r *runner) run(ctx context.Context, command string, seconds int) (string, error) {
	res, err := r.caller.Call(ctx, "exec", map[string]any{"command": ". " + libraryPath + "; " + command, "timeout": seconds})
	if err != nil {
		return "", err
	}
	out, err := output(res)
	if err != nil {
		return "", err
	}
	if out.TimedOut || out.ExitCode != 0 {
		return "", fmt.Errorf("command %q in the guest: exit code %d, timed out %v: %s", command, out.ExitCode, out.TimedOut, out.Stderr)
	}
	return strings.TrimRight(out.Stdout, "\n"), nil
}

// execOutput is the structured content of exec.
type execOutput struct {
	ExitCode int    `json:"exit_code"`
	Stdout   string `json:"stdout"`
	Stderr   string `json:"stderr"`
	TimedOut bool   `json:"timed_out"`
}

func output(res *mcpclient.Result) (execOutput, error) {
	var out execOutput
	if res.IsError {
		return out, errors.New(res.Text)
	}
	if err := json.Unmarshal(res.Structured, &out); err != nil {
		return out, fmt.Errorf("decode answer of exec: %w", err)
	}
	return out, nil
}

func (r *runner) add(s Step) {
	s.Number = len(r.report.Steps) + 1
	if s.image != nil {
		s.Picture = fmt.Sprintf("%02d-%s%s", s.Number, slug(s.Title), extension(s.imageType))
	}
	r.report.Steps = append(r.report.Steps, s)
	r.onStep(s)
}

func extension(mime string) string {
	if mime == "image/jpeg" {
		return ".jpg"
	}
	return ".png"
}

// slug returns title as part of a file name.
func slug(title string) string {
	words := strings.FieldsFunc(strings.ToLower(title), func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c)
	})
	return strings.Join(words, "-")
}

// quote returns s as one word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
