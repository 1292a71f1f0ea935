package launch

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/run"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/windows"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

// TestMain keeps the profile of whoever runs the tests out of the login shells.
func TestMain(m *testing.M) {
	os.Setenv("HOME", "/nowhere")
	goleak.VerifyTestMain(m)
}

func newLauncher(t *testing.T) (Launcher, *run.Runner) {
	t.Helper()
	s := x11test.Start(t, desktop.Size{Width: 640, Height: 480})
	s.StartManager(t)
	t.Setenv("DISPLAY", s.Display)
	runner := run.New("")
	t.Cleanup(runner.Close)
	return Launcher{runner, windows.Windows{Display: s.Display}}, runner
}

// stop ends a job and fails the test if there is none.
func stop(t *testing.T, r *run.Runner, job int) {
	t.Helper()
	if _, _, err := r.Stop(context.Background(), desktop.ExecStop{Job: job}, nil); err != nil {
		t.Error(err)
	}
}

func TestLaunchReturnsWithTheWindow(t *testing.T) {
	l, runner := newLauncher(t)
	got, err := l.Launch(t.Context(), desktop.Launch{Command: "exec xterm -title mine"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Windows) != 1 || got.Windows[0].Title != "mine" || got.Notice != "" || !got.Output.Running || got.Output.Job == 0 {
		t.Errorf("got %+v", got)
	}
	stop(t, runner, got.Output.Job)
}

func TestLaunchOfWhatTheShellStarts(t *testing.T) {
	for name, command := range map[string]string{
		"a child":              "xterm -title mine; true",
		"left running":         "xterm -title mine & echo started",
		"in another session":   "setsid xterm -title mine & wait",
		"a child of its child": "sh -c 'sh -c \"xterm -title mine; true\"; true'; true",
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newLauncher(t)
			got, err := l.Launch(t.Context(), desktop.Launch{Command: command})
			if err != nil || len(got.Windows) != 1 || got.Windows[0].Title != "mine" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestLaunchWaitsForItsOwnWindow(t *testing.T) {
	l, runner := newLauncher(t)
	fifo := filepath.Join(t.TempDir(), "go")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// Somebody else opens a window while the application starts.
	watch, err := l.Windows.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	other := exec.Command("xterm", "-title", "other")
	go func() {
		begun, err := os.ReadFile(fifo)
		if err == nil && len(begun) > 0 && other.Start() == nil {
			watch.Next(t.Context())
		}
		os.WriteFile(fifo, []byte("go\n"), 0)
	}()
	got, err := l.Launch(t.Context(), desktop.Launch{Command: "echo begun > " + fifo + "; read go < " + fifo + "; exec xterm -title mine"})
	if err != nil || len(got.Windows) != 1 || got.Windows[0].Title != "mine" {
		t.Errorf("got %+v, %v", got, err)
	}
	stop(t, runner, got.Output.Job)
	other.Process.Kill()
	other.Wait()
}

func TestLaunchByAnotherProcess(t *testing.T) {
	l, _ := newLauncher(t)
	fifo := filepath.Join(t.TempDir(), "order")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("sh", "-c", "read order < "+fifo+"; exec xterm -title handed")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	got, err := l.Launch(t.Context(), desktop.Launch{Command: "echo order > " + fifo + "; echo handed over"})
	if err != nil || len(got.Windows) != 1 || got.Windows[0].Title != "handed" || got.Output.Running || string(got.Text) != "handed over\n" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLaunchTellsWhyThereIsNoWindow(t *testing.T) {
	l, _ := newLauncher(t)
	_, err := l.Launch(t.Context(), desktop.Launch{Command: "echo out; echo 'cannot open display' >&2; exit 3"})
	wantCode(t, err, desktop.CodeInvalid, "exit code 3")
	wantCode(t, err, desktop.CodeInvalid, "cannot open display")
	_, err = l.Launch(t.Context(), desktop.Launch{Command: "no-such-program"})
	wantCode(t, err, desktop.CodeInvalid, "exit code 127")
	_, err = l.Launch(t.Context(), desktop.Launch{Command: "true", TimeoutMS: 200})
	wantCode(t, err, desktop.CodeInvalid, "exit code 0")
}

func TestLaunchGoesOnWithoutAWindow(t *testing.T) {
	l, runner := newLauncher(t)
	got, err := l.Launch(t.Context(), desktop.Launch{Command: "exec sleep 600", TimeoutMS: 100})
	if err != nil || len(got.Windows) > 0 || !strings.Contains(got.Notice, "goes on as job 1") || !got.Output.Running {
		t.Errorf("got %+v, %v", got, err)
	}
	stop(t, runner, got.Output.Job)
}

func TestLaunchIsCancelled(t *testing.T) {
	l, runner := newLauncher(t)
	fifo := filepath.Join(t.TempDir(), "begun")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		os.ReadFile(fifo)
		cancel()
	}()
	begun := time.Now()
	_, err := l.Launch(ctx, desktop.Launch{Command: "echo > " + fifo + "; exec sleep 600"})
	wantCode(t, err, desktop.CodeCancelled, "stopped")
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if _, _, err := runner.Output(t.Context(), desktop.ExecOutput{Job: 1}, nil); err == nil {
		t.Error("the job goes on")
	}
}

// fakeJobs are jobs of which the first is over.
type fakeJobs struct{ Jobs }

func (fakeJobs) Output(context.Context, desktop.ExecOutput, []byte) (desktop.Output, []byte, error) {
	return desktop.Output{Job: 1}, nil, nil
}

func (fakeJobs) Stop(context.Context, desktop.ExecStop, []byte) (desktop.Output, []byte, error) {
	return desktop.Output{}, nil, desktop.Errorf(desktop.CodeInvalid, "job 1 is over")
}

// What it waits for is not there, so that only time or the caller ends it.
func TestLaunchAfterTheCommandHasEnded(t *testing.T) {
	t.Run("keeps to its time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const limit = 3 * time.Second
			over := make(chan struct{})
			time.AfterFunc(limit-time.Second, func() { close(over) })
			begun := time.Now()
			_, err := Launcher{Jobs: fakeJobs{}}.await(t.Context(), run.Started{Job: 1, Ended: over}, nil, limit)
			wantCode(t, err, desktop.CodeInvalid, "exit code 0")
			if took := time.Since(begun); took != limit {
				t.Errorf("it took %v, want %v", took, limit)
			}
		})
	})
	t.Run("waits a while when there is much time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			over := make(chan struct{})
			close(over)
			begun := time.Now()
			_, err := Launcher{Jobs: fakeJobs{}}.await(t.Context(), run.Started{Job: 1, Ended: over}, nil, time.Minute)
			wantCode(t, err, desktop.CodeInvalid, "exit code 0")
			if took := time.Since(begun); took != handover {
				t.Errorf("it took %v, want %v", took, handover)
			}
		})
	})
	t.Run("is cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			over, result := make(chan struct{}), make(chan error, 1)
			close(over)
			go func() {
				_, err := Launcher{Jobs: fakeJobs{}}.await(ctx, run.Started{Job: 1, Ended: over}, nil, time.Minute)
				result <- err
			}()
			synctest.Wait()
			cancel()
			wantCode(t, <-result, desktop.CodeCancelled, "had ended")
		})
	})
}

func TestParseStat(t *testing.T) {
	for stat, want := range map[string][2]int{
		"12 (sh) S 3 12 12 0":          {3, 12},
		"12 (a) S 1 2 3 (x) R 7 8 9 0": {7, 9},
	} {
		parent, session, ok := parseStat([]byte(stat))
		if !ok || parent != want[0] || session != want[1] {
			t.Errorf("%q: parent %d, session %d, %v, want %v", stat, parent, session, ok, want)
		}
	}
	for _, stat := range []string{"", "12 (sh", "12 (sh) S", "12 (sh) S x 1 2"} {
		if _, _, ok := parseStat([]byte(stat)); ok {
			t.Errorf("%q was understood", stat)
		}
	}
}

func wantCode(t *testing.T, err error, code desktop.Code, text string) {
	t.Helper()
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("error %v, want code %s and %q", err, code, text)
	}
}
