package mcp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
)

func ran(code int, stdout string, total int64) *desktop.Result {
	return &desktop.Result{
		Response: desktop.Response{Exec: &desktop.Output{ExitCode: code, StdoutLen: len(stdout), StdoutTotal: total}},
		Stdout:   []byte(stdout),
	}
}

func textOf(r *mcp.CallToolResult) string { return r.Content[0].(mcp.TextContent).Text }

func TestExecTellsHowACommandEnded(t *testing.T) {
	timedOut := ran(-1, "half", 4)
	timedOut.Exec.TimedOut = true
	for _, tc := range []struct {
		name string
		res  *desktop.Result
		text string
		want ExecOutcome
	}{
		{
			"failure", ran(3, "", 0),
			"exit code 3\nstdout: empty\nstderr: empty",
			ExecOutcome{DesktopID: "d", ExitCode: 3},
		},
		{
			"control characters", ran(0, "\x1b[31mred\x1b[0m\r\n\tok\x00", 18),
			"exit code 0\nstdout (without 3 control characters):\n[31mred[0m\n\tok\nstderr: empty",
			ExecOutcome{DesktopID: "d", Stdout: "[31mred[0m\n\tok", StdoutBytes: 18},
		},
		{
			"no utf-8", ran(0, "a\xffb", 3),
			"exit code 0\nstdout:\na\uFFFDb\nstderr: empty",
			ExecOutcome{DesktopID: "d", Stdout: "a\uFFFDb", StdoutBytes: 3},
		},
		{
			"timeout", timedOut,
			"The command was ended, because it had not finished within 30 s: give a longer timeout, or run it in the background.\nstdout:\nhalf\nstderr: empty",
			ExecOutcome{DesktopID: "d", ExitCode: -1, TimedOut: true, Stdout: "half", StdoutBytes: 4},
		},
		{
			"cut by the guest", ran(0, "aabb", 1000),
			"exit code 0\nstdout (its first 2 and last 2 of 1000 bytes; redirect it to a file to read the rest):\naa\n[996 bytes left out]\nbb\nstderr: empty",
			ExecOutcome{DesktopID: "d", Stdout: "aa\n[996 bytes left out]\nbb", StdoutBytes: 1000, StdoutTruncated: true},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := execResult("d", desktop.Exec{Command: "x"}, tc.res)
			if diff := cmp.Diff(tc.text, textOf(r)); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.want, r.StructuredContent); diff != "" {
				t.Errorf("structured (-want +got):\n%s", diff)
			}
			if r.IsError {
				t.Error("a command that ran is no error of the tool")
			}
		})
	}
}

// What is long is cut in the middle, between characters, and the numbers add up.
func TestExecCutsLongOutput(t *testing.T) {
	for _, unit := range []string{"a", "é", "日", "😀"} {
		for shift := range 4 {
			long := strings.Repeat("x", shift) + strings.Repeat(unit, maxShown)
			head, tail := halves([]byte(long), int64(len(long)))
			if len(head)+len(tail) > maxShown || len(head)+len(tail) < maxShown-8 {
				t.Errorf("%s: %d + %d bytes are shown of at most %d", unit, len(head), len(tail), maxShown)
			}
			if !strings.HasPrefix(long, string(head)) || !strings.HasSuffix(long, string(tail)) {
				t.Errorf("%s: what is shown is not the beginning and the end", unit)
			}
			if strings.ToValidUTF8(string(head)+string(tail), "") != string(head)+string(tail) {
				t.Errorf("%s: a character was cut", unit)
			}
		}
	}
	whole := strings.Repeat("a", maxShown)
	if head, tail := halves([]byte(whole), maxShown); len(head) != maxShown || tail != nil {
		t.Errorf("what fits was cut into %d + %d bytes", len(head), len(tail))
	}
}

func FuzzOutput(f *testing.F) {
	f.Add([]byte("a\r\nb\x1b[0m\xff"), int64(7))
	f.Add([]byte("日本語"), int64(1<<40))
	f.Fuzz(func(t *testing.T, kept []byte, total int64) {
		total = max(total, int64(len(kept)))
		var b strings.Builder
		s, truncated := output(&b, "stdout", kept, total, "")
		if strings.ContainsAny(s, "\x00\x1b\x7f") || strings.ToValidUTF8(s, "") != s {
			t.Errorf("output is not fit to be shown: %q", s)
		}
		if len(s) > 3*maxShown+100 {
			t.Errorf("output is %d bytes long", len(s))
		}
		if truncated != (total > int64(len(kept)) || total > maxShown) {
			t.Errorf("truncated is %v for %d of %d bytes", truncated, len(kept), total)
		}
	})
}
