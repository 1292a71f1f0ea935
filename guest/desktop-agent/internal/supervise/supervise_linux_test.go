package supervise

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/bootlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell is a command that runs a script, with what it prints going to out.
func shell(script string, out *os.File) Command {
	null, err := os.Open(os.DevNull)
	if err != nil {
		panic(err)
	}
	if out == nil {
		out, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	} else {
		var fd int
		fd, err = unix.Dup(int(out.Fd()))
		out = os.NewFile(uintptr(fd), "out")
	}
	if err != nil {
		panic(err)
	}
	return Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Files: []*os.File{null, out, out}}
}

func newReaper(t *testing.T) *Reaper {
	t.Helper()
	r := NewReaper()
	t.Cleanup(r.Close)
	return r
}

func TestProcessSaysHowItEnded(t *testing.T) {
	r := newReaper(t)
	for script, want := range map[string]string{
		"exit 0":       "exit code 0",
		"exit 7":       "exit code 7",
		"kill -9 $$":   "signal: killed",
		"kill -TERM 0": "signal: terminated",
	} {
		c := shell(script, nil)
		c.Sys.Setsid = true
		p, err := r.Start(c)
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		if got := p.End(); got != want {
			t.Errorf("%q ended with %q, want %q", script, got, want)
		}
		p.Kill() // after the end: must not touch whoever has the number now
	}
}

func TestStartNamesAProgramThatIsNotThere(t *testing.T) {
	_, err := newReaper(t).Start(Command{Path: "/nowhere/program"})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/program") {
		t.Errorf("Start: %v, want an error that names the program", err)
	}
}

// The program is given its priority when it runs already, so that it is asked for
// a while later.
func TestStartNice(t *testing.T) {
	here, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c := shell("read -r go; cut -d ' ' -f 19 /proc/$$/stat", in)
	in.Close()
	stdin, begin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Files[0].Close()
	c.Files[0] = stdin
	want := 20 - here + 3 // the system call returns 20 less the value
	c.Nice = want
	p, err := newReaper(t).Start(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range c.Files {
		f.Close()
	}
	begin.Close()
	got, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if strings.TrimSpace(string(got)) != fmt.Sprint(want) {
		t.Errorf("the program runs at nice %s, want %d", bytes.TrimSpace(got), want)
	}
}

// TestReaperTakesOrphans makes this process the one that orphans go to, as
// process 1 is, and looks for zombies.
func TestReaperTakesOrphans(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	r := newReaper(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	// The shell ends first and leaves a child that ends when our pipe closes.
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := shell("cat <&3 >/dev/null & echo $!", write)
	c.Files = append(c.Files, in)
	p, err := r.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	closeAll(c.Files)
	write.Close()
	<-p.Done()
	hold.Close()
	io.Copy(io.Discard, read)
	// Every child is gone, not a zombie, once a wait finds none.
	for {
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.ECHILD {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeepStartsAgain(t *testing.T) {
	r := newReaper(t)
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	starts := 0
	s := Service{
		Name: "panel",
		Command: func(context.Context) (Command, error) {
			if starts++; starts == 3 {
				cancel()
			}
			return shell("exit 3", nil), nil
		},
	}
	if err := r.Keep(ctx, s, bootlog.New(&log)); err != nil {
		t.Fatal(err)
	}
	want := "vmette: panel ended with exit code 3; starting it again in 0s\n" +
		"vmette: panel ended with exit code 3; starting it again in 100ms\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Error(diff)
	}
}

func TestKeepEndsTheProgramWithItsContext(t *testing.T) {
	r := newReaper(t)
	ctx, cancel := context.WithCancel(t.Context())
	pids, write := pipe(t)
	var keeper sync.WaitGroup
	keeper.Go(func() {
		r.Keep(ctx, Service{
			Name:    "wm",
			Command: func(context.Context) (Command, error) { return shell("echo $$; exec sleep 600", write), nil },
		}, nil)
	})
	pid := scan(t, pids)
	cancel()
	keeper.Wait()
	if err := unix.Kill(pid, 0); err != unix.ESRCH {
		t.Errorf("Keep returned while its program is there: %v", err)
	}
}

func TestGateFollowsTheProgram(t *testing.T) {
	r := newReaper(t)
	ctx, cancel := context.WithCancel(t.Context())
	pids, write := pipe(t)
	var ready Gate
	var keeper sync.WaitGroup
	keeper.Go(func() {
		r.Keep(ctx, Service{
			Name: "x11",
			Command: func(context.Context) (Command, error) {
				return shell("echo $$; echo 0 >&3; exec sleep 600", write), nil
			},
			Ready: &ready,
		}, nil)
	})
	first, err := ready.Wait(ctx, 0)
	if err != nil || first != 1 {
		t.Fatalf("first opening is %d, %v; want 1", first, err)
	}
	if err := unix.Kill(scan(t, pids), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second, err := ready.Wait(ctx, first)
	if err != nil || second != 2 {
		t.Fatalf("opening after the restart is %d, %v; want 2", second, err)
	}
	cancel()
	keeper.Wait()
	if state, _ := ready.look(); state&1 == 1 {
		t.Error("the gate is open although the program is gone")
	}
}

// pipe returns a pipe that is closed when the test ends.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// scan reads a number.
func scan(t *testing.T, r io.Reader) int {
	t.Helper()
	var n int
	if _, err := fmt.Fscanln(r, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGateStaysShutForAProgramThatNeverIsReady(t *testing.T) {
	r := newReaper(t)
	ctx, cancel := context.WithCancel(t.Context())
	var ready Gate
	starts := 0
	r.Keep(ctx, Service{
		Name: "x11",
		Command: func(context.Context) (Command, error) {
			if starts++; starts == 2 {
				cancel()
			}
			return shell("printf 0 >&3", nil), nil
		},
		Ready: &ready,
	}, nil)
	if state, _ := ready.look(); state != 0 {
		t.Errorf("the gate changed %d times", state)
	}
}

func TestTalkSpeaksWithTheProgram(t *testing.T) {
	r := newReaper(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var said []string
	r.Keep(ctx, Service{
		Name: "agent",
		Command: func(context.Context) (Command, error) {
			return shell(`read line <&3; echo "got $line" >&3; read line <&3`, nil), nil
		},
		Talk: func(ctx context.Context, conn io.ReadWriter) {
			io.WriteString(conn, "token\n")
			in := bufio.NewReader(conn)
			line, err := in.ReadString('\n')
			said = append(said, line)
			if err != nil {
				t.Errorf("read what the program said: %v", err)
			}
			if len(said) == 2 {
				cancel()
			} else {
				io.WriteString(conn, "end\n")
			}
			<-ctx.Done() // of the run, not only of the service
			if _, err := in.ReadString('\n'); err == nil {
				t.Error("a program that has ended can be read from")
			}
		},
	}, nil)
	if want := []string{"got token\n", "got token\n"}; !slices.Equal(said, want) {
		t.Errorf("the program said %q, want %q", said, want)
	}
}

func TestBackoffDoublesUntilTheProgramIsSteady(t *testing.T) {
	var b backoff
	var got []time.Duration
	for _, ran := range []time.Duration{0, 0, 0, 0, 0, 0, 0, 0, 0, steady, 0} {
		b.after(ran)
		got = append(got, b.delay)
	}
	const ms = time.Millisecond
	want := []time.Duration{0, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, lastDelay, 0, 100 * ms}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
