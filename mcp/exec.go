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

// ExecOutcome is the structured content of exec, exec_output and exec_stop.
type ExecOutcome struct {
	DesktopID       string   `json:"desktop_id" jsonschema:"the desktop it ran on"`
	ExitCode        int      `json:"exit_code" jsonschema:"0 is success; 128+n: ended by signal n; -1: ended at its timeout"`
	Stdout          string   `json:"stdout" jsonschema:"its first and last part when stdout_truncated; without control characters but newline and tab"`
	Stderr          string   `json:"stderr" jsonschema:"as stdout"`
	TimedOut        bool     `json:"timed_out" jsonschema:"whether it was ended because its time was up"`
	Job             int      `json:"job,omitempty" jsonschema:"of a background command: what names it"`
	Running         bool     `json:"running,omitempty" jsonschema:"whether it still runs: exit_code is yet to come"`
	StdoutBytes     int64    `json:"stdout_bytes" jsonschema:"how much it wrote to stdout, a background command since it was asked last"`
	StderrBytes     int64    `json:"stderr_bytes" jsonschema:"how much it wrote to stderr"`
	StdoutTruncated bool     `json:"stdout_truncated" jsonschema:"whether part of stdout was left out"`
	StderrTruncated bool     `json:"stderr_truncated" jsonschema:"whether part of stderr was left out"`
	Notices         []string `json:"notices,omitempty" jsonschema:"what else must be known, such as state that was lost"`
}

// execResult answers a command that ran or runs, whatever it exited with.
func execResult(id string, a desktop.Action, res *desktop.Result) *mcp.CallToolResult {
	if res.Exec == nil {
		return refusal("The command was run, but the desktop did not say how it ended. Check its effect before running it again.")
	}
	out := ExecOutcome{
		DesktopID:   id,
		ExitCode:    res.Exec.ExitCode,
		TimedOut:    res.Exec.TimedOut,
		Job:         res.Exec.Job,
		Running:     res.Exec.Running,
		StdoutBytes: res.Exec.StdoutTotal,
		StderrBytes: res.Exec.StderrTotal,
		Notices:     notices(res.Notices),
	}
	if e, ok := a.(desktop.Exec); ok && e.Background {
		return result(out, withNotices(out.Notices, fmt.Sprintf("The command runs as job %d: exec_output tells what it writes, exec_stop ends it.", out.Job)))
	}
	var b strings.Builder
	b.WriteString(howItEnded(a, out) + "\n")
	out.Stdout, out.StdoutTruncated = output(&b, "stdout", res.Stdout, res.Exec.StdoutTotal, restInFile)
	out.Stderr, out.StderrTruncated = output(&b, "stderr", res.Stderr, res.Exec.StderrTotal, restInFile)
	return result(out, withNotices(out.Notices, strings.TrimSuffix(b.String(), "\n")))
}

// howItEnded says whether and how a command ended.
func howItEnded(a desktop.Action, out ExecOutcome) string {
	if out.Running {
		return fmt.Sprintf("job %d is running; since it was asked last it has written:", out.Job)
	}
	job := ""
	if out.Job != 0 {
		job = fmt.Sprintf("job %d is over: ", out.Job)
	}
	if !out.TimedOut {
		return fmt.Sprintf("%sexit code %d", job, out.ExitCode)
	}
	if job != "" {
		return job + "its time was up"
	}
	limit := int(desktop.DefaultExecTimeout.Milliseconds())
	if e, ok := a.(desktop.Exec); ok && e.TimeoutMS != 0 {
		limit = e.TimeoutMS
	}
	return fmt.Sprintf("The command was ended, because it had not finished within %s: give a longer timeout, or run it in the background.", inSeconds(limit))
}

// restInFile says how to come by what is left out of the output of a command.
const restInFile = "; redirect it to a file to read the rest"

// output makes one stream of a command fit to be shown, and writes it down with
// what was left out of it and how to come by that.
func output(b *strings.Builder, name string, kept []byte, total int64, rest string) (s string, truncated bool) {
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
		fmt.Fprintf(b, " (its first %d and last %d of %d bytes%s)", len(head), len(tail), total, rest)
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
