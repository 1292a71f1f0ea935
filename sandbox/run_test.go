package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// oneShot returns a config that runs a command of [sandboxtest.Command].
func oneShot(args ...string) sandbox.Config {
	cfg := sandboxtest.Config()
	cfg.Workload = sandbox.WorkloadOneShot
	cfg.Exec.Args = args
	return cfg
}

func TestRun(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		change func(*sandbox.Config)
		want   sandbox.RunOutput
	}{
		{"exit code", []string{"exit", "42"}, nil, sandbox.RunOutput{ExitCode: 42}},
		{"streams apart", []string{"echo", "out", "err"}, nil, sandbox.RunOutput{Stdout: []byte("out\n"), Stderr: []byte("err\n")}},
		{"no input", []string{"cat"}, nil, sandbox.RunOutput{}},
		{
			"more than is kept", []string{"echo", "123456", "e"}, func(c *sandbox.Config) { c.Capture = 4 },
			sandbox.RunOutput{Stdout: []byte("126\n"), Stderr: []byte("e\n"), Truncated: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &sandboxtest.Backend{Guest: sandboxtest.Command}
			cfg := oneShot(tt.args...)
			if tt.change != nil {
				tt.change(&cfg)
			}
			got, err := sandbox.Run(t.Context(), b, cfg)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Isolation = sandbox.IsolationEmulated
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(sandbox.RunOutput{}, "StdoutAll", "StderrAll", "Took")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !got.Truncated && (got.StdoutAll != int64(len(got.Stdout)) || got.StderrAll != int64(len(got.Stderr))) {
				t.Errorf("it wrote %d and %d bytes, of which %d and %d are all", got.StdoutAll, got.StderrAll, len(got.Stdout), len(got.Stderr))
			}
			if n := b.Running(); n != 0 {
				t.Errorf("%d machines are left", n)
			}
		})
	}
}

func TestRunThatDoesNotEnd(t *testing.T) {
	broken := errors.New("the fuse has blown")
	cancelled, cancel := context.WithCancelCause(t.Context())
	tests := []struct {
		name  string
		ctx   context.Context
		guest func(context.Context, *sandboxtest.Guest) error
		cfg   sandbox.Config
		want  []error
	}{
		{"its time is up", t.Context(), sandboxtest.Command, func() sandbox.Config {
			cfg := oneShot("sleep")
			cfg.Timeout = 10 * time.Millisecond
			return cfg
		}(), []error{sandbox.ErrTimeout}},
		{"nobody wants it", cancelled, func(ctx context.Context, g *sandboxtest.Guest) error {
			time.AfterFunc(10*time.Millisecond, func() { cancel(broken) })
			return sandboxtest.Command(ctx, g)
		}, oneShot("sleep"), []error{broken}},
		{"its machine breaks", t.Context(), afterHello(func() error { return broken }), oneShot("sleep"), []error{broken}},
		{"its guest powers itself off", t.Context(), afterHello(func() error { return nil }), oneShot("sleep"), nil},
		{"its machine never starts", t.Context(), func(context.Context, *sandboxtest.Guest) error { return broken }, oneShot("sleep"), []error{sandbox.ErrStartFailed, broken}},
		{"its command is none", t.Context(), sandboxtest.Command, oneShot(), []error{sandbox.ErrInvalidConfig}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &sandboxtest.Backend{Guest: tt.guest}
			out, err := sandbox.Run(tt.ctx, b, tt.cfg)
			if err == nil || out.ExitCode != -1 {
				t.Fatalf("got exit code %d, %v; want -1 and an error", out.ExitCode, err)
			}
			for _, want := range tt.want {
				if !errors.Is(err, want) {
					t.Errorf("got %v, want it to match %v", err, want)
				}
			}
			if n := b.Running(); n != 0 {
				t.Errorf("%d machines are left", n)
			}
		})
	}
}

// afterHello is a guest that lets its command begin, and then ends as end says.
func afterHello(end func() error) func(context.Context, *sandboxtest.Guest) error {
	return func(ctx context.Context, g *sandboxtest.Guest) error {
		conn, err := g.Dial(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := desktop.OpenStream(ctx, conn, desktop.ConnWorkload, "fake", g.Boot.Token); err != nil {
			return err
		}
		return end()
	}
}

// TestGuestThatOpensTooMuch has a guest that opens a connection twice and one that
// its command does not have: one of the first two is kept, the others are closed.
func TestGuestThatOpensTooMuch(t *testing.T) {
	closed := make(chan string, 3)
	guest := func(ctx context.Context, g *sandboxtest.Guest) error {
		for _, kind := range []string{desktop.ConnWorkload, desktop.ConnWorkload, desktop.ConnTerminal} {
			conn, err := g.Dial(ctx)
			if err != nil {
				return err
			}
			if err := desktop.OpenStream(ctx, conn, kind, "fake", g.Boot.Token); err != nil {
				return err
			}
			go func() {
				_, _ = conn.Read(make([]byte, 1))
				closed <- kind
			}()
		}
		<-ctx.Done()
		return nil
	}
	s, err := sandbox.Start(t.Context(), &sandboxtest.Backend{Guest: guest}, oneShot("sleep"), sandbox.StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{<-closed, <-closed}
	slices.Sort(got)
	if diff := cmp.Diff([]string{desktop.ConnTerminal, desktop.ConnWorkload}, got); diff != "" {
		t.Errorf("closed (-want +got):\n%s", diff)
	}
	s.Stop()
	if kind := <-closed; kind != desktop.ConnWorkload {
		t.Errorf("%s was kept", kind)
	}
}

func TestStartCommand(t *testing.T) {
	b := &sandboxtest.Backend{Guest: sandboxtest.Command}
	start := func(t *testing.T, cfg sandbox.Config, stdio sandbox.Stdio) *sandbox.Session {
		t.Helper()
		s, err := sandbox.Start(t.Context(), b, cfg, sandbox.StartOptions{Dir: t.TempDir(), Stdio: stdio})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		return s
	}
	t.Run("input", func(t *testing.T) {
		var out bytes.Buffer
		s := start(t, oneShot("cat"), sandbox.Stdio{In: strings.NewReader("from the host"), Out: &out})
		if end, err := s.Wait(t.Context()); err != nil || end.Reason != sandbox.EndExited || out.String() != "from the host" {
			t.Errorf("the command wrote %q and ended with %v, %v", &out, end, err)
		}
	})
	t.Run("signal", func(t *testing.T) {
		var out bytes.Buffer
		s := start(t, oneShot("signal"), sandbox.Stdio{Out: &out})
		client := s.Client()
		if err := client.Signal("SIGUSR1"); err != nil {
			t.Fatal(err)
		}
		if end, err := client.Wait(t.Context()); err != nil || end.Reason != sandbox.EndExited || out.String() != "SIGUSR1" {
			t.Errorf("the command wrote %q and ended with %v, %v", &out, end, err)
		}
		if err := s.Signal("SIGUSR1"); !errors.Is(err, sandbox.ErrStopped) {
			t.Errorf("a signal after the end: %v, want ErrStopped", err)
		}
	})
	t.Run("stop", func(t *testing.T) {
		in, w, err := os.Pipe() // nobody ever writes to it
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		defer w.Close()
		s := start(t, oneShot("cat"), sandbox.Stdio{In: in})
		go s.StopHandle().Stop()
		if end, err := s.Wait(t.Context()); err != nil || end.Reason != sandbox.EndStopped {
			t.Errorf("the session ended with %v, %v, want it stopped", end, err)
		}
	})
	t.Run("vsock for the agent alone", func(t *testing.T) {
		cfg := oneShot("exit", "3")
		cfg.VsockPort.Policy = sandbox.VsockDisabled
		s := start(t, cfg, sandbox.Stdio{})
		if _, err := s.Dial(t.Context()); !errors.Is(err, sandbox.ErrUnsupported) || !strings.Contains(err.Error(), "disabled") {
			t.Errorf("Dial: %v, want ErrUnsupported that says why", err)
		}
		if end, err := s.Wait(t.Context()); err != nil || end.Code != 3 {
			t.Errorf("the session ended with %v, %v", end, err)
		}
	})
	t.Run("what only desktops do", func(t *testing.T) {
		s := start(t, oneShot("sleep"), sandbox.Stdio{})
		if _, err := s.Do(t.Context(), desktop.Screenshot{}, desktop.Observe{}); err == nil {
			t.Error("a command has a screen")
		}
		if _, err := s.Snapshot(t.Context()); !errors.Is(err, sandbox.ErrSnapshotUnsupported) || !errors.Is(err, sandbox.ErrUnsupported) {
			t.Errorf("Snapshot: %v, want ErrSnapshotUnsupported", err)
		}
		if err := s.Signal("TERM"); !errors.Is(err, sandbox.ErrInvalidConfig) {
			t.Errorf("Signal: %v, want ErrInvalidConfig", err)
		}
		if _, err := s.Dial(t.Context()); !errors.Is(err, sandbox.ErrUnsupported) {
			t.Errorf("Dial: %v, want ErrUnsupported", err)
		}
		if s.Screen() != nil || s.Size().Valid() {
			t.Error("a command has a screen")
		}
	})
}
