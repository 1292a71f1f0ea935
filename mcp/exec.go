package mcp

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
)

// maxShown is how much of each of stdout and stderr a result carries, in bytes:
// the first and the last half when there was more. Clients cut what is longer
// in their own ways.
const maxShown = 32 << 10

// ExecOutcome is the structured content of exec.
type ExecOutcome struct {
	DesktopID       string   `json:"desktop_id" jsonschema:"the desktop it ran on"`
	ExitCode        int      `json:"exit_code" jsonschema:"0 is success; 128+n: ended by signal n; -1: ended at its timeout"`
	Stdout          string   `json:"stdout" jsonschema:"its first and last part when stdout_truncated; without control characters but newline and tab"`
	Stderr          string   `json:"stderr" jsonschema:"as stdout"`
	TimedOut        bool     `json:"timed_out" jsonschema:"whether it was ended because its time was up"`
	StdoutBytes     int64    `json:"stdout_bytes" jsonschema:"how much it wrote to stdout in all"`
	StderrBytes     int64    `json:"stderr_bytes" jsonschema:"how much it wrote to stderr in all"`
	StdoutTruncated bool     `json:"stdout_truncated" jsonschema:"whether part of stdout was left out"`
	StderrTruncated bool     `json:"stderr_truncated" jsonschema:"whether part of stderr was left out"`
	Notices         []string `json:"notices,omitempty" jsonschema:"what else must be known, such as state that was lost"`
}

// execResult answers a command that ran, whatever it exited with.
func execResult(id string, a desktop.Exec, res *desktop.Result) *mcp.CallToolResult {
	if res.Exec == nil {
		return refusal("The command was run, but the desktop did not say how it ended. Check its effect before running it again.")
	}
	out := ExecOutcome{
		DesktopID:   id,
		ExitCode:    res.Exec.ExitCode,
		TimedOut:    res.Exec.TimedOut,
		StdoutBytes: res.Exec.StdoutTotal,
		StderrBytes: res.Exec.StderrTotal,
		Notices:     notices(res.Notices),
	}
	var b strings.Builder
	if out.TimedOut {
		limit := a.TimeoutMS
		if limit == 0 {
			limit = int(desktop.DefaultExecTimeout.Milliseconds())
		}
		fmt.Fprintf(&b, "The command was ended, because it had not finished within %s: give a longer timeout, or start it in the background with & and its output redirected.\n", inSeconds(limit))
	} else {
		fmt.Fprintf(&b, "exit code %d\n", out.ExitCode)
	}
	out.Stdout, out.StdoutTruncated = output(&b, "stdout", res.Stdout, res.Exec.StdoutTotal)
	out.Stderr, out.StderrTruncated = output(&b, "stderr", res.Stderr, res.Exec.StderrTotal)
	return result(out, withNotices(out.Notices, strings.TrimSuffix(b.String(), "\n")))
}

// output makes one stream of a command fit to be shown, and writes it down with
// what was left out of it.
func output(b *strings.Builder, name string, kept []byte, total int64) (s string, truncated bool) {
	if total == 0 {
		fmt.Fprintf(b, "%s: empty\n", name)
		return "", false
	}
	head, tail := halves(kept, total)
	s, dropped := plainOutput(head)
	if truncated = int64(len(head)+len(tail)) < total; truncated {
		t, more := plainOutput(tail)
		s += fmt.Sprintf("\n[%d bytes left out]\n", total-int64(len(head)+len(tail))) + t
		dropped += more
	}
	fmt.Fprintf(b, "%s", name)
	if truncated {
		fmt.Fprintf(b, " (its first %d and last %d of %d bytes; redirect it to a file to read the rest)", len(head), len(tail), total)
	}
	if dropped > 0 {
		fmt.Fprintf(b, " (without %s)", plural(dropped, "control character", "control characters"))
	}
	fmt.Fprintf(b, ":\n%s", s)
	if !strings.HasSuffix(s, "\n") {
		b.WriteByte('\n')
	}
	return s, truncated
}

// halves returns what is shown of a stream of which kept was kept: all of it as
// head, or the beginning and the end, cut between characters. When less than
// total was kept, kept is two halves already.
func halves(kept []byte, total int64) (head, tail []byte) {
	if int64(len(kept)) >= total && len(kept) <= maxShown {
		return kept, nil
	}
	half := min(len(kept), maxShown) / 2
	head, tail = kept[:half], kept[len(kept)-half:]
	for n := 0; n < utf8.UTFMax && len(tail) > 0 && !utf8.RuneStart(tail[0]); n++ {
		tail = tail[1:]
	}
	for n := 1; n <= min(utf8.UTFMax, len(head)); n++ {
		if last := head[len(head)-n:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				head = head[:len(head)-n]
			}
			break
		}
	}
	return head, tail
}
