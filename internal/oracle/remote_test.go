package oracle

import (
	"context"
	"io"
	"testing"
	"testing/fstest"

	"github.com/vmette/vmette-mcp/desktop"
)

// oneJob is a guest with a program that writes nothing. That the program has
// ended is told once, as a guest does.
type oneJob struct {
	asked  chan struct{} // somebody waits for output
	told   chan bool     // what that was told: whether the program has ended
	killed chan struct{}
}

func (g *oneJob) do(ctx context.Context, a desktop.Action, _ desktop.Observe) (*desktop.Result, error) {
	answer := func(running bool) *desktop.Result {
		return &desktop.Result{Response: desktop.Response{Exec: &desktop.Output{Job: 1, Running: running}}}
	}
	switch a.(type) {
	case desktop.Exec:
		return answer(true), nil
	case desktop.ExecOutput:
		g.asked <- struct{}{}
		<-ctx.Done()
		select {
		case <-g.killed:
			g.told <- true
			return answer(false), nil
		default:
			g.told <- false
			return nil, desktop.Errorf(desktop.CodeCancelled, "the wait was cut short")
		}
	default: // to stop it
		close(g.killed)
		if <-g.told {
			return nil, desktop.Errorf(desktop.CodeInvalid, "the job is over")
		}
		return answer(false), nil
	}
}

// A program in a guest is closed while somebody waits for what it writes.
func TestCloseOfAProgramThatIsRead(t *testing.T) {
	for range 200 {
		g := &oneJob{asked: make(chan struct{}), told: make(chan bool, 1), killed: make(chan struct{})}
		p, err := Remote{Do: g.do}.Start(t.Context(), fstest.MapFS{}, "program.py")
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan error)
		go func() {
			_, err := io.ReadAll(p)
			read <- err
		}()
		<-g.asked
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-read; err == nil {
			t.Error("the reader was not told")
		}
	}
}
