package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// start boots a sandbox on b and stops it when the test ends.
func start(t *testing.T, b sandbox.Backend) *sandbox.Session {
	t.Helper()
	s, err := sandbox.Start(t.Context(), b, sandboxtest.Config(), sandbox.StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func do(t *testing.T, s *sandbox.Session, a desktop.Action) *desktop.Result {
	t.Helper()
	res, err := s.Do(t.Context(), a, desktop.Observe{})
	if err != nil {
		t.Fatalf("%s: %v", a.Name(), err)
	}
	return res
}

// names returns what is in dir.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestSessionPerformsActions(t *testing.T) {
	s := start(t, &sandboxtest.Backend{})
	at := desktop.Point{X: 10, Y: 20}
	res, err := s.Do(t.Context(), desktop.Click{Button: desktop.Left, Count: 1, At: &at}, desktop.Observe{Mode: desktop.ObserveSettled})
	if err != nil {
		t.Fatal(err)
	}
	if *res.X != at.X || *res.Y != at.Y {
		t.Errorf("pointer at (%d, %d), want %v", *res.X, *res.Y, at)
	}
	if p, ok := s.Screen().Picture(false); !ok || p.Size != s.Config().Screen {
		t.Errorf("picture of %v, %v; want one of %v", p.Size, ok, s.Config().Screen)
	}
	if got := s.Isolation(); got != sandbox.IsolationEmulated {
		t.Errorf("isolation %q", got)
	}
}

func TestStartTellsSteps(t *testing.T) {
	var got []string
	s, err := sandbox.Start(t.Context(), &sandboxtest.Backend{}, sandboxtest.Config(), sandbox.StartOptions{
		Dir:    t.TempDir(),
		OnStep: func(step string) { got = append(got, step) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	want := []string{"make directory", "start machine", "start fake guest", "wait for guest agent"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	var phases []string
	for _, p := range s.BootPhases() {
		phases = append(phases, p.Name)
	}
	if diff := cmp.Diff(append(want, "guest agent ready"), phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
}

func TestSessionLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	b := &sandboxtest.Backend{}
	s, err := sandbox.Start(t.Context(), b, sandboxtest.Config(), sandbox.StartOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("while it runs, its directory should be there: %v", got)
	}
	s.Stop()
	if got := names(t, dir); len(got) != 0 || b.Running() != 0 {
		t.Errorf("left: files %v, %d machines", got, b.Running())
	}
}

func TestStartFails(t *testing.T) {
	broken := errors.New("no such device")
	gib := func(ctx context.Context, g *sandboxtest.Guest) error {
		fmt.Fprintf(g, "Kernel \x1b[31mpanic\x1b[0m: not syncing\r\n")
		return nil
	}
	tests := []struct {
		name    string
		backend *sandboxtest.Backend
		cfg     func(*sandbox.Config)
		is      []error
		says    []string
	}{
		{
			name:    "invalid config",
			backend: &sandboxtest.Backend{},
			cfg:     func(c *sandbox.Config) { c.CPUs = 99 },
			is:      []error{sandbox.ErrInvalidConfig},
			says:    []string{"99 CPUs is not between 1 and 64"},
		},
		{
			name:    "backend fails",
			backend: &sandboxtest.Backend{StartErr: fmt.Errorf("%w: start qemu: %w", sandbox.ErrStartFailed, broken)},
			is:      []error{sandbox.ErrStartFailed, broken},
			says:    []string{"start failed: start qemu: no such device"},
		},
		{
			name:    "guest powers off",
			backend: &sandboxtest.Backend{Guest: gib},
			is:      []error{sandbox.ErrStartFailed},
			says:    []string{"wait for guest agent: the guest powered itself off", "\nKernel panic: not syncing"},
		},
		{
			name:    "guest breaks",
			backend: &sandboxtest.Backend{Guest: func(context.Context, *sandboxtest.Guest) error { return broken }},
			is:      []error{sandbox.ErrStartFailed, broken},
			says:    []string{"wait for guest agent: no such device", "wrote nothing to its console"},
		},
		{
			name:    "guest is silent",
			backend: &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error { <-ctx.Done(); return nil }},
			is:      []error{sandbox.ErrStartFailed, sandbox.ErrTimeout},
			says:    []string{"wait for guest agent", "not up within 5m0s"},
		},
		{
			name: "wrong token",
			backend: &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error {
				g.Boot.Token = "guessed"
				sandboxtest.Desktop(ctx, g)
				<-ctx.Done()
				return nil
			}},
			is: []error{sandbox.ErrStartFailed, sandbox.ErrTimeout},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				cfg := sandboxtest.Config()
				if tt.cfg != nil {
					tt.cfg(&cfg)
				}
				s, err := sandbox.Start(t.Context(), tt.backend, cfg, sandbox.StartOptions{Dir: dir})
				if err == nil {
					s.Stop()
					t.Fatal("Start succeeded")
				}
				for _, want := range tt.is {
					if !errors.Is(err, want) {
						t.Errorf("error does not match %q: %v", want, err)
					}
				}
				for _, want := range tt.says {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error does not say %q: %v", want, err)
					}
				}
			})
			if left := names(t, dir); len(left) != 0 || tt.backend.Running() != 0 {
				t.Errorf("left: files %v, %d machines", left, tt.backend.Running())
			}
		})
	}
}

func TestStartEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := &sandboxtest.Backend{Guest: func(gctx context.Context, g *sandboxtest.Guest) error {
		cancel()
		<-gctx.Done()
		return nil
	}}
	_, err := sandbox.Start(ctx, b, sandboxtest.Config(), sandbox.StartOptions{Dir: t.TempDir()})
	if !errors.Is(err, context.Canceled) || b.Running() != 0 {
		t.Errorf("got %v with %d machines left, want context.Canceled and none", err, b.Running())
	}
}

func TestSessionEnd(t *testing.T) {
	broken := errors.New("vsock device broke")
	tests := []struct {
		name  string
		guest error // how the guest ends once it was told to
		stop  bool
		want  sandbox.SessionEnd
	}{
		{"guest powers off", nil, false, sandbox.SessionEnd{Reason: sandbox.EndExited}},
		{"machine breaks", broken, false, sandbox.SessionEnd{Reason: sandbox.EndError, Err: broken}},
		{"stopped", nil, true, sandbox.SessionEnd{Reason: sandbox.EndStopped}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			off := make(chan struct{})
			s := start(t, &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error {
				served, cancel := context.WithCancel(ctx)
				go func() {
					select {
					case <-off:
					case <-ctx.Done():
					}
					cancel()
				}()
				sandboxtest.Desktop(served, g)
				return tt.guest
			}})
			if tt.stop {
				s.Stop()
			}
			close(off)
			got, err := s.Wait(t.Context())
			if err != nil || got != tt.want {
				t.Errorf("Wait: got %+v, %v; want %+v", got, err, tt.want)
			}
			s.Stop() // too late to be the cause
			if again, _ := s.Wait(t.Context()); again != tt.want {
				t.Errorf("after Stop: got %+v, want %+v", again, tt.want)
			}
			if _, err := s.Do(t.Context(), desktop.CursorPosition{}, desktop.Observe{}); !errors.Is(err, sandbox.ErrStopped) {
				t.Errorf("Do after the end: got %v, want ErrStopped", err)
			}
		})
	}
}

func TestStopFromManyGoroutines(t *testing.T) {
	s := start(t, &sandboxtest.Backend{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			s.Stop()
			select {
			case <-s.Done():
			default:
				t.Error("Stop returned before the session was done")
			}
		})
	}
	wg.Wait()
}

func TestWaitEndsWithContext(t *testing.T) {
	s := start(t, &sandboxtest.Backend{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestAgentRestart(t *testing.T) {
	s := start(t, &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error {
		// The first agent answers one request and dies of the second.
		conn, err := g.Dial(ctx)
		if err != nil {
			return err
		}
		first, err := desktop.NewGuest(ctx, conn, sandboxtest.Hello(g.Boot))
		if err != nil {
			return err
		}
		id, _, err := first.ReadRequest()
		if err := errors.Join(err, first.WriteResponse(id, desktop.Response{OK: true, X: new(int), Y: new(int)}, nil)); err != nil {
			return err
		}
		_, _, err = first.ReadRequest()
		if err := errors.Join(err, first.Close()); err != nil {
			return err
		}
		conn, err = g.Dial(ctx)
		if err != nil {
			return err
		}
		hello := sandboxtest.Hello(g.Boot)
		hello.Restarts = 1
		return sandboxtest.Serve(ctx, conn, hello)
	}})
	if res := do(t, s, desktop.CursorPosition{}); len(res.Notices) != 0 {
		t.Errorf("notices before anything was lost: %q", res.Notices)
	}
	_, err := s.Do(t.Context(), desktop.Wait{}, desktop.Observe{})
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeUnknown {
		t.Errorf("action under way: got %v, want code unknown", err)
	}
	res := do(t, s, desktop.CursorPosition{})
	if len(res.Notices) != 1 || !strings.Contains(res.Notices[0], "agent was restarted") {
		t.Errorf("notices after the restart: %q", res.Notices)
	}
	if res := do(t, s, desktop.CursorPosition{}); len(res.Notices) != 0 {
		t.Errorf("the notice was given twice: %q", res.Notices)
	}
}

func TestAgentThatStaysAway(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error {
			agent, kill := context.WithTimeout(ctx, time.Second)
			defer kill()
			sandboxtest.Desktop(agent, g)
			<-ctx.Done()
			return nil
		}}
		s, err := sandbox.Start(t.Context(), b, sandboxtest.Config(), sandbox.StartOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		time.Sleep(2 * time.Second) // the agent is gone
		_, err = s.Do(t.Context(), desktop.CursorPosition{}, desktop.Observe{})
		var e *desktop.Error
		if !errors.As(err, &e) || e.Code != desktop.CodeUnavailable {
			t.Errorf("Do: got %v, want code unavailable", err)
		}
		end, err := s.Wait(t.Context())
		if err != nil || end.Reason != sandbox.EndError || !strings.Contains(end.Err.Error(), "did not come back within 1m0s") {
			t.Errorf("end: got %+v, %v", end, err)
		}
	})
}

// A guest that opens connections and says nothing, or the wrong thing, harms
// only itself: the host keeps a handful of them at a time.
func TestGuestThatDialsInALoop(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		dialled := 0
		b := &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error {
			var conns []net.Conn
			defer func() {
				for _, c := range conns {
					c.Close()
				}
			}()
			go sandboxtest.Desktop(ctx, g)
			for {
				c, err := g.Dial(ctx)
				if err != nil {
					return nil
				}
				dialled++
				conns = append(conns, c)
			}
		}}
		s, err := sandbox.Start(t.Context(), b, sandboxtest.Config(), sandbox.StartOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if _, err := s.Do(t.Context(), desktop.CursorPosition{}, desktop.Observe{}); err != nil {
			t.Errorf("Do beside the loop: %v", err)
		}
		s.Stop()
		const atOnce, patience = 4, 30 * time.Second
		if took := time.Since(begin); dialled > atOnce*(1+int(took/patience)) {
			t.Errorf("%d silent connections were taken in %v, want at most %d in each %v", dialled, took, atOnce, patience)
		}
	})
}
