package agent

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

// TestMain keeps the profile of whoever runs the tests out of the login shells.
func TestMain(m *testing.M) {
	os.Setenv("HOME", "/nowhere")
	goleak.VerifyTestMain(m)
}

var screen = desktop.Size{Width: 640, Height: 400}

// host is the other side of an agent that serves a display of its own.
type host struct {
	x     *x11test.Server
	conns chan net.Conn // one for each time that the agent dials
	end   chan error    // what Run returned
	clock time.Time     // to which the machine's was advanced last
	stop  context.CancelFunc
}

func startAgent(t *testing.T) *host {
	t.Helper()
	h := &host{x: x11test.Start(t, screen), conns: make(chan net.Conn), end: make(chan error, 1)}
	t.Setenv("DISPLAY", h.x.Display)
	ctx, stop := context.WithCancel(t.Context())
	h.stop = stop
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.end <- Run(ctx, Config{
			Token:   "t",
			Display: h.x.Display,
			AdvanceClock: func(_ context.Context, to time.Time) error {
				h.clock = to
				return nil
			},
			Dial: func(ctx context.Context) (net.Conn, error) {
				ours, theirs := net.Pipe()
				select {
				case h.conns <- ours:
					return theirs, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			},
		})
	}()
	t.Cleanup(func() { stop(); <-ended })
	return h
}

// accept takes the next connection of the agent.
func (h *host) accept(t *testing.T) *desktop.Client {
	t.Helper()
	c, err := desktop.NewClient(t.Context(), <-h.conns, desktop.ClientConfig{Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func do(t *testing.T, c *desktop.Client, a desktop.Action, mode desktop.ObserveMode) *desktop.Result {
	t.Helper()
	r, err := c.Do(t.Context(), a, desktop.Observe{Mode: mode})
	if err != nil {
		t.Fatalf("%s: %v", a.Name(), err)
	}
	return r
}

func TestRunServesADisplay(t *testing.T) {
	c := startAgent(t).accept(t)
	if got := c.Hello().Screen; got != screen {
		t.Errorf("the hello names a screen of %v", got)
	}
	r := do(t, c, desktop.Move{To: desktop.Point{X: 0, Y: 399}}, desktop.ObserveSettled)
	if *r.X != 0 || *r.Y != 399 || r.Frame == nil || r.Frame.Base != 0 || r.Settle == nil {
		t.Errorf("the first answer is %+v", r.Response)
	}
	r = do(t, c, desktop.Screenshot{}, desktop.ObserveNow)
	if r.Frame.Base != 1 || len(r.Frame.Rects) != 0 {
		t.Errorf("the frame of an unchanged screen is %+v", r.Frame)
	}
	if p, ok := c.Mirror().Picture(true); !ok || p.Size != screen || p.Pointer != (desktop.Point{X: 0, Y: 399}) {
		t.Errorf("the mirror shows %v with the pointer at %v", p.Size, p.Pointer)
	}
	r = do(t, c, desktop.Exec{Command: "echo $DISPLAY; exit 3"}, desktop.ObserveNone)
	if r.Exec.ExitCode != 3 || !strings.HasPrefix(string(r.Stdout), ":") {
		t.Errorf("exec gave %+v, %q", r.Exec, r.Stdout)
	}
}

func TestRunDialsAgainAndStartsWithAWholePictureAndTheTime(t *testing.T) {
	h := startAgent(t)
	for range 2 {
		begun := time.Now()
		c := h.accept(t)
		for base := range uint64(2) {
			if r := do(t, c, desktop.Screenshot{}, desktop.ObserveNow); r.Frame.Base != base || r.Frame.Number != base+1 {
				t.Errorf("frame %d is based on %d, want %d", r.Frame.Number, r.Frame.Base, base)
			}
		}
		if h.clock.Before(begun.Round(0)) || h.clock.After(time.Now()) {
			t.Errorf("before the first answer the clock was advanced to %v, connected after %v", h.clock, begun)
		}
		c.Close()
	}
}

func TestRunEndsWithARefusal(t *testing.T) {
	h := startAgent(t)
	_, err := desktop.NewClient(t.Context(), <-h.conns, desktop.ClientConfig{Token: "another"})
	if err == nil {
		t.Fatal("the host took the wrong token")
	}
	var refused *desktop.RefusedError
	if err := <-h.end; !errors.As(err, &refused) {
		t.Errorf("Run: %v, want the refusal", err)
	}
}

func TestRunEndsWithTheOnlyXServer(t *testing.T) {
	h := startAgent(t)
	c := h.accept(t)
	do(t, c, desktop.Screenshot{}, desktop.ObserveNow)
	h.x.Kill()
	if err := <-h.end; err == nil || !strings.Contains(err.Error(), "X server") {
		t.Errorf("Run: %v", err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	h := startAgent(t)
	c := h.accept(t)
	running := make(chan error, 1)
	go func() {
		_, err := c.Do(t.Context(), desktop.Exec{Command: "sleep 600"}, desktop.Observe{})
		running <- err
	}()
	do(t, c, desktop.Screenshot{}, desktop.ObserveNow)
	h.stop()
	if err := <-h.end; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	var e *desktop.Error
	if err := <-running; !errors.As(err, &e) || e.Code != desktop.CodeUnknown && e.Code != desktop.CodeCancelled {
		t.Errorf("the command that was under way: %v", err)
	}
}
