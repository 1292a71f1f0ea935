package run

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

func start(t *testing.T, r *Runner, command string) Started {
	t.Helper()
	s, err := r.Start(desktop.Exec{Command: command, Background: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fifo is a pipe with a name, which lets a test and a command wait for each other.
func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// tell lets a command go on that reads from a fifo.
func tell(t *testing.T, fifo string) {
	t.Helper()
	if err := os.WriteFile(fifo, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code desktop.Code, part string) {
	t.Helper()
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, part) {
		t.Errorf("error %v, want the code %s and %q", err, code, part)
	}
}

const soon = 10_000 // milliseconds that a test gives what must not take long

func TestJobTellsItsOutputAsItComes(t *testing.T) {
	r, gate := newRunner(t), fifo(t)
	s := start(t, r, "echo one; read x < "+gate+"; echo two; echo err >&2; exit 3")
	out, payload, err := r.Output(t.Context(), desktop.ExecOutput{Job: s.Job, WaitMS: soon}, []byte("kept"))
	if err != nil {
		t.Fatal(err)
	}
	want := desktop.Output{Job: s.Job, Running: true, StdoutLen: 4, StdoutTotal: 4}
	if diff := cmp.Diff(want, out); diff != "" || string(payload) != "keptone\n" {
		t.Errorf("%s%q", diff, payload)
	}
	// Nothing is told twice.
	out, payload, err = r.Output(t.Context(), desktop.ExecOutput{Job: s.Job}, nil)
	if err != nil || len(payload) != 0 || !out.Running {
		t.Errorf("nothing new: %+v, %q, %v", out, payload, err)
	}
	tell(t, gate)
	<-s.Ended
	out, payload, err = r.Output(t.Context(), desktop.ExecOutput{Job: s.Job, WaitMS: soon}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want = desktop.Output{Job: s.Job, ExitCode: 3, StdoutLen: 4, StdoutTotal: 4, StderrLen: 4, StderrTotal: 4}
	if diff := cmp.Diff(want, out); diff != "" || string(payload) != "two\nerr\n" {
		t.Errorf("%s%q", diff, payload)
	}
	_, _, err = r.Output(t.Context(), desktop.ExecOutput{Job: s.Job}, nil)
	wantCode(t, err, desktop.CodeInvalid, "is over and all of its output has been told: there are no jobs")
}

// The wait ends with the first thing that is new: output, or the end.
func TestOutputWaitsForSomethingNew(t *testing.T) {
	for _, tt := range []struct{ name, rest, stdout string }{
		{"output", "echo news; sleep 600", "news\n"},
		{"end", "exit", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, gate := newRunner(t), fifo(t)
			s := start(t, r, "read x < "+gate+"; "+tt.rest)
			type answer struct {
				payload []byte
				err     error
			}
			answered := make(chan answer)
			go func() {
				_, payload, err := r.Output(t.Context(), desktop.ExecOutput{Job: s.Job, WaitMS: 600_000}, nil)
				answered <- answer{payload, err}
			}()
			tell(t, gate)
			if a := <-answered; a.err != nil || string(a.payload) != tt.stdout {
				t.Errorf("%q, %v", a.payload, a.err)
			}
		})
	}
}

func TestOutputIsCancelled(t *testing.T) {
	r := newRunner(t)
	s := start(t, r, "sleep 600")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := r.Output(ctx, desktop.ExecOutput{Job: s.Job, WaitMS: 600_000}, nil)
	wantCode(t, err, desktop.CodeCancelled, "it goes on")
	if out, _, err := r.Output(t.Context(), desktop.ExecOutput{Job: s.Job}, nil); err != nil || !out.Running {
		t.Errorf("after that: %+v, %v", out, err)
	}
}

// What a job writes while nobody asks is kept up to a limit, from both ends.
func TestJobKeepsHeadAndTailOfWhatIsUnread(t *testing.T) {
	r := newRunner(t)
	s := start(t, r, "seq 1 200000")
	<-s.Ended
	out, payload, err := r.Output(t.Context(), desktop.ExecOutput{Job: s.Job}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.StdoutLen != desktop.MaxOutput || out.StdoutTotal < 1_000_000 {
		t.Errorf("kept %d of %d", out.StdoutLen, out.StdoutTotal)
	}
	if !strings.HasPrefix(string(payload), "1\n2\n") || !strings.HasSuffix(string(payload), "\n200000\n") {
		t.Error("what is kept is not the beginning and the end")
	}
}

func TestStopKillsAJobWithAllItStarted(t *testing.T) {
	r, gate := newRunner(t), fifo(t)
	s := start(t, r, "sleep 600 & echo $! > "+gate+"; echo started; wait")
	pid := readPID(t, gate)
	out, payload, err := r.Stop(t.Context(), desktop.ExecStop{Job: s.Job}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.Running || out.ExitCode != 128+9 || !strings.HasPrefix("started\n", string(payload)) {
		t.Errorf("%+v, %q", out, payload)
	}
	awaitEnd(t, pid)
	_, _, err = r.Stop(t.Context(), desktop.ExecStop{Job: s.Job}, nil)
	wantCode(t, err, desktop.CodeInvalid, "is over")
}

func TestJobRunsOutOfTime(t *testing.T) {
	r := newRunner(t)
	s, err := r.Start(desktop.Exec{Command: "sleep 600", TimeoutMS: 100, Background: true})
	if err != nil {
		t.Fatal(err)
	}
	<-s.Ended
	out, _, err := r.Output(t.Context(), desktop.ExecOutput{Job: s.Job}, nil)
	if err != nil || !out.TimedOut || out.ExitCode != -1 || out.Running {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestUnknownJobIsToldWhichThereAre(t *testing.T) {
	r := newRunner(t)
	_, _, err := r.Output(t.Context(), desktop.ExecOutput{Job: 1}, nil)
	wantCode(t, err, desktop.CodeInvalid, "job 1 does not exist: there are no jobs")
	start(t, r, "sleep 600")
	<-start(t, r, "true").Ended
	_, _, err = r.Stop(t.Context(), desktop.ExecStop{Job: 3}, nil)
	wantCode(t, err, desktop.CodeInvalid, "job 3 does not exist: there are job 1 (running: sleep 600) and job 2 (over: true)")
}

func TestJobsAreBounded(t *testing.T) {
	r := newRunner(t)
	over := start(t, r, "true")
	<-over.Ended
	for range maxJobs - 1 {
		start(t, r, "sleep 600")
	}
	// The one that is over makes room.
	start(t, r, "sleep 600")
	_, _, err := r.Output(t.Context(), desktop.ExecOutput{Job: over.Job}, nil)
	wantCode(t, err, desktop.CodeInvalid, "is over")
	_, err = r.Start(desktop.Exec{Command: "true", Background: true})
	wantCode(t, err, desktop.CodeUnavailable, "end one with exec_stop")
	if _, _, err := r.Stop(t.Context(), desktop.ExecStop{Job: maxJobs}, nil); err != nil {
		t.Fatal(err)
	}
	start(t, r, "true")
}

func TestJobsEndWithTheRunner(t *testing.T) {
	r, gate := New(""), fifo(t)
	start(t, r, "sleep 600 & echo $! > "+gate+"; wait")
	pid := readPID(t, gate)
	begun := time.Now()
	r.Close()
	if took := time.Since(begun); took > soon*time.Millisecond {
		t.Errorf("the end took %v", took)
	}
	awaitEnd(t, pid)
}
