package run

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// TestMain keeps the profile of whoever runs the tests out of the login shells.
func TestMain(m *testing.M) {
	os.Setenv("HOME", "/nowhere")
	goleak.VerifyTestMain(m)
}

func newRunner(t *testing.T) *Runner {
	t.Helper()
	r := New("")
	t.Cleanup(r.Close)
	return r
}

func TestRun(t *testing.T) {
	tests := []struct {
		name, command  string
		want           desktop.Output
		stdout, stderr string
	}{
		{name: "output", command: "echo out; echo err >&2", stdout: "out\n", stderr: "err\n",
			want: desktop.Output{StdoutLen: 4, StdoutTotal: 4, StderrLen: 4, StderrTotal: 4}},
		{name: "silence", command: "true"},
		{name: "exit code", command: "exit 42", want: desktop.Output{ExitCode: 42}},
		{name: "signal", command: "kill -TERM $$", want: desktop.Output{ExitCode: 128 + 15}},
		{name: "unknown command", command: "no-such-program 2>/dev/null", want: desktop.Output{ExitCode: 127}},
		{name: "no input to wait for", command: "cat; read x; echo $?", stdout: "1\n",
			want: desktop.Output{StdoutLen: 2, StdoutTotal: 2}},
		{name: "a session of its own", command: `[ $(ps -o sid= -p $$) = $$ ] && echo yes`, stdout: "yes\n",
			want: desktop.Output{StdoutLen: 4, StdoutTotal: 4}},
		{name: "quotes and lines", command: "printf '%s' \"a'b\"\nprintf '\\n$x'", stdout: "a'b\n$x",
			want: desktop.Output{StdoutLen: 6, StdoutTotal: 6}},
		{name: "last words of a process substitution", command: "echo late > >(cat)", stdout: "late\n",
			want: desktop.Output{StdoutLen: 5, StdoutTotal: 5}},
	}
	r := newRunner(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, payload, err := r.Run(t.Context(), desktop.Exec{Command: tt.command}, []byte("kept"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff("kept"+tt.stdout+tt.stderr, string(payload)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRunKeepsHeadAndTailOfLongOutput(t *testing.T) {
	const lines = 200_000
	got, payload, err := newRunner(t).Run(t.Context(), desktop.Exec{Command: fmt.Sprintf("seq 1 %d", lines)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i := 1; i <= lines; i++ {
		fmt.Fprintln(&all, i)
	}
	s, half := all.String(), desktop.MaxOutput/2
	if got.StdoutTotal != int64(len(s)) || got.StdoutLen != desktop.MaxOutput {
		t.Errorf("kept %d of %d, want %d of %d", got.StdoutLen, got.StdoutTotal, desktop.MaxOutput, len(s))
	}
	if want := s[:half] + s[len(s)-half:]; string(payload) != want {
		t.Error("the excerpt is not the first and the last half")
	}
}

func TestRunEndsACommandThatRunsOutOfTime(t *testing.T) {
	got, payload, err := newRunner(t).Run(t.Context(), desktop.Exec{Command: "echo before; (sleep 600; echo never) & sleep 600", TimeoutMS: 300}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := desktop.Output{ExitCode: -1, TimedOut: true, StdoutLen: 7, StdoutTotal: 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if string(payload) != "before\n" {
		t.Errorf("payload %q", payload)
	}
}

func TestRunIsCancelledWithAllItStarted(t *testing.T) {
	pids := fifo(t)
	ctx, cancel := context.WithCancel(t.Context())
	child := make(chan int)
	go func() {
		pid := readPID(t, pids)
		cancel()
		child <- pid
	}()
	_, _, err := newRunner(t).Run(ctx, desktop.Exec{Command: "sleep 600 & echo $! > " + pids + "; wait"}, nil)
	wantCode(t, err, desktop.CodeCancelled, "")
	awaitEnd(t, <-child)
}

// readPID waits until a command has written a process's number to a fifo.
func readPID(t *testing.T, fifo string) int {
	t.Helper()
	b, err := os.ReadFile(fifo)
	if err != nil {
		t.Error(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		t.Error(err)
	}
	return pid
}

// awaitEnd waits for the end of a process that is no child of ours.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
	if n != 1 {
		t.Errorf("process %d lives on: %v", pid, err)
	}
}

// TestProgramsLeftRunningLiveOn starts one that holds both pipes and goes on
// writing to them.
func TestProgramsLeftRunningLiveOn(t *testing.T) {
	fifo := fifo(t)
	begun := time.Now()
	script := "(read go < " + fifo + "; echo more; echo more >&2; echo alive > " + fifo + ") & echo started"
	got, payload, err := newRunner(t).Run(t.Context(), desktop.Exec{Command: script}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the call took %v although its shell was over at once", took)
	}
	if got.ExitCode != 0 || string(payload) != "started\n" {
		t.Errorf("exit code %d, output %q", got.ExitCode, payload)
	}
	tell(t, fifo)
	b, err := os.ReadFile(fifo)
	if err != nil || string(b) != "alive\n" {
		t.Errorf("the program left running said %q, %v", b, err)
	}
}

func TestAProgramThatNeverStopsWritingDoesNotHoldTheCall(t *testing.T) {
	r := newRunner(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, _, err := r.Run(ctx, desktop.Exec{Command: "yes & echo $! >&2"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.ExitCode != 0 || got.StdoutTotal == 0 {
		t.Errorf("output %+v", got)
	}
}

func TestExcerpt(t *testing.T) {
	for size := range 40 {
		for chunk := 1; chunk < 14; chunk++ {
			e := newExcerpt(10)
			var all []byte
			for i := range size {
				all = append(all, byte('a'+i))
			}
			for rest := all; len(rest) > 0; {
				n := min(chunk, len(rest))
				e.write(rest[:n])
				rest = rest[n:]
			}
			want := all
			if len(all) > 10 {
				want = append(append([]byte{}, all[:5]...), all[len(all)-5:]...)
			}
			if got := e.appendTo(nil); !bytes.Equal(got, want) || e.total != int64(size) {
				t.Fatalf("%d bytes in pieces of %d: %q of %d, want %q", size, chunk, got, e.total, want)
			}
		}
	}
}
