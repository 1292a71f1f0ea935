package mcp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/rpc"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Runner runs one command in a sandbox of its own. It is what the tool execute
// needs of a [sandbox.Manager]; see [sandbox.Manager.Run]. It must be safe for
// concurrent use.
type Runner interface {
	Run(ctx context.Context, cfg sandbox.Config, opts sandbox.RunOptions) (sandbox.RunOutput, error)
}

// Programs says what runs code. It must be safe for concurrent use.
type Programs interface {
	// Languages returns those that code may be in; none leave the tool out.
	Languages() []string

	// Images returns those that a call may name.
	Images() []string

	// Config returns what runs code of a language, on one of Images or for "" on the
	// language's own. When that is not there yet, Config sees to it that it is being
	// made and waits for it, and tell is told how far it is; once ctx is done it returns
	// a *[NotReadyError].
	Config(ctx context.Context, language, image, code string, tell func(*NotReadyError)) (sandbox.Config, error)
}

// Bounds of execute. A call with the default timeout is answered within a minute,
// which is how long some clients wait.
const (
	maxCode        = 64 << 10 // bytes
	maxStdin       = 1 << 20  // bytes
	minExecute     = 100 * time.Millisecond
	maxExecute     = time.Hour
	defaultExecute = 30 * time.Second
	executeImage   = 10 * time.Second // for an image that is being made; the call is refused if it takes longer
	executeStart   = 25 * time.Second // for that and the sandbox to be up; as long as the timeout when that is more than the default
)

// exitTimedOut is the exit code of code that was ended, as timeout(1) has it.
const exitTimedOut = 124

// ExecuteOutcome is the structured content of execute.
type ExecuteOutcome struct {
	Language        string `json:"language" jsonschema:"of the code"`
	Image           string `json:"image" jsonschema:"what was booted"`
	Isolation       string `json:"isolation" jsonschema:"kvm or vz: a hardware-isolated microVM; emulated: a microVM whose processor is emulated, slower"`
	ExitCode        int    `json:"exit_code" jsonschema:"0 is success; 128+n: ended by signal n; 127: the image has no such language; 124 with timed_out: ended at its timeout"`
	TimedOut        bool   `json:"timed_out" jsonschema:"whether it was ended because its time was up"`
	DurationMS      int64  `json:"duration_ms" jsonschema:"how long the code ran"`
	StartMS         int64  `json:"start_ms" jsonschema:"how long the machine took before that"`
	Stdout          string `json:"stdout" jsonschema:"its first and last part when stdout_truncated; without control characters but newline and tab"`
	Stderr          string `json:"stderr" jsonschema:"as stdout"`
	StdoutBytes     int64  `json:"stdout_bytes" jsonschema:"how much it wrote to stdout"`
	StderrBytes     int64  `json:"stderr_bytes" jsonschema:"how much it wrote to stderr"`
	StdoutTruncated bool   `json:"stdout_truncated" jsonschema:"whether part of stdout was left out"`
	StderrTruncated bool   `json:"stderr_truncated" jsonschema:"whether part of stderr was left out"`
}

// executeTools returns the tool that runs code in a sandbox of its own, if there is
// anything that does.
func executeTools(r Runner, p Programs) []tool {
	if r == nil || p == nil || len(p.Languages()) == 0 {
		return nil
	}
	languages := p.Languages()
	params := []param{
		choice("language", "What the code is written in.", languages...).needed(),
		text("code", maxCode, "the program", "The program.").needed(),
		maybeText("stdin", maxStdin, "what the program reads from its standard input", "What the program reads from its standard input. Without it: nothing."),
		seconds("timeout", minExecute, maxExecute, fmt.Sprintf("End the program after this many seconds; %v when absent.", defaultExecute.Seconds())),
	}
	if images := p.Images(); len(images) > 0 {
		params = append(params, choice("image", "What to boot for it. Without it: the image of the language.", images...))
	}
	return []tool{{
		name: "execute",
		description: "Run a program in a fresh Linux machine of its own, which is thrown away afterwards, and return exit_code, stdout and stderr. " +
			"It needs no desktop and sees none, and nothing stays from one call to the next: for what is to stay there is exec.",
		params:  params,
		example: fmt.Sprintf(`{"language": %q, "code": "echo $((6*7))"}`, languages[0]),
		hints:   hints{harmless: true},
		output:  ExecuteOutcome{},
		run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
			rpc.ArrivalOf(ctx).Pass(nil)
			return c.execute(ctx, r, p, v)
		},
	}}
}

// execute runs code. It counts as a desktop of the client's while it does, and ends
// with the conversation.
func (c *call) execute(ctx context.Context, r Runner, p Programs, v values) *mcp.CallToolResult {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.conv.ctx, func() { cancel(errClosed) })()
	language, begun := get[string](v, "language"), time.Now()
	patience, stop := context.WithTimeout(ctx, executeImage)
	defer stop()
	cfg, err := p.Config(patience, language, get[string](v, "image"), get[string](v, "code"), func(e *NotReadyError) {
		c.progress.doing("making the image: " + e.progress())
	})
	if err != nil {
		return c.unprepared(err)
	}
	done, err := c.conv.tenant.reserve()
	if err != nil {
		return c.failed(err)
	}
	defer done()
	cfg.Timeout = defaultExecute
	if ms := get[int](v, "timeout"); ms > 0 {
		cfg.Timeout = time.Duration(ms) * time.Millisecond
	}
	if cfg.BootTimeout = executeStart - time.Since(begun); cfg.Timeout > defaultExecute {
		cfg.BootTimeout = min(cfg.Timeout, sandbox.DefaultBootTimeout)
	}
	cfg.Capture = maxShown
	out, err := r.Run(ctx, cfg, sandbox.RunOptions{
		Stdin:  strings.NewReader(get[string](v, "stdin")),
		OnStep: func(step string) { c.progress.tell("in a machine of its own: " + desktop.PlainLine(step, 200)) },
	})
	timedOut := errors.Is(err, sandbox.ErrTimeout) && !errors.Is(err, sandbox.ErrStartFailed)
	if err != nil && !timedOut {
		return c.notExecuted(err)
	}
	return executed(language, cfg, out, timedOut, time.Since(begun))
}

// executed answers for code that ran, however it ended.
func executed(language string, cfg sandbox.Config, ran sandbox.RunOutput, timedOut bool, took time.Duration) *mcp.CallToolResult {
	out := ExecuteOutcome{
		Language:    language,
		Image:       cfg.Image,
		Isolation:   string(ran.Isolation),
		ExitCode:    ran.ExitCode,
		TimedOut:    timedOut,
		DurationMS:  ran.Took.Milliseconds(),
		StartMS:     max(took-ran.Took, 0).Milliseconds(),
		StdoutBytes: ran.StdoutAll,
		StderrBytes: ran.StderrAll,
	}
	how := fmt.Sprintf("exit code %d", ran.ExitCode)
	if timedOut {
		out.ExitCode = exitTimedOut
		how = fmt.Sprintf("The program was ended, because it had not finished within %s: give a longer timeout.", inSeconds(int(cfg.Timeout.Milliseconds())))
	}
	var b strings.Builder
	b.WriteString(how + "\n")
	const rest = "; have it write less to see the rest"
	out.Stdout, out.StdoutTruncated = output(&b, "stdout", ran.Stdout, ran.StdoutAll, rest)
	out.Stderr, out.StderrTruncated = output(&b, "stderr", ran.Stderr, ran.StderrAll, rest)
	return result(out, strings.TrimSuffix(b.String(), "\n"))
}

// unprepared answers for code that there is nothing to run on.
func (c *call) unprepared(err error) *mcp.CallToolResult {
	var notReady *NotReadyError
	if errors.As(err, &notReady) {
		return refusal(fmt.Sprintf("%s was not done: its image is still being made, which happens once: %s. Call again in half a minute; nothing else is needed.",
			c.what, notReady.progress()))
	}
	return refusal(fmt.Sprintf("%s was not done: %s.", c.what, plainText(err.Error(), maxErrorText)))
}

// notExecuted answers for code that did not run, or whose sandbox broke.
func (c *call) notExecuted(err error) *mcp.CallToolResult {
	why := plainText(err.Error(), maxErrorText)
	switch {
	case errors.Is(err, sandbox.ErrCapacity):
		c.conv.tenant.s.metrics.refuse(err)
		return refusal(fmt.Sprintf("%s was not done: %s. End a desktop with desktop_close (desktop_list shows them), or try again later.", c.what, why))
	case errors.Is(err, sandbox.ErrInvalidConfig):
		return c.refuse(err)
	case errors.Is(err, sandbox.ErrStartFailed):
		return refusal(fmt.Sprintf("%s was not done, as its machine did not start: %s\nTry once more; if that fails as well, the person who runs this server finds the cause with: vmette-mcp doctor", c.what, why))
	case errors.Is(err, errClosed), errors.Is(err, rpc.ErrCancelled), errors.Is(err, sandbox.ErrStopped):
		return refusal(fmt.Sprintf("%s was given up: %s.", c.what, why))
	}
	return refusal(fmt.Sprintf("%s failed: %s. Whether the program did anything is not known.", c.what, why))
}
