package mcp

import (
	"context"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// heartbeat is how often a client that asked for progress hears of a call that
// takes long, even when nothing new is to be said.
const heartbeat = 3 * time.Second

// progress tells the client how a call is going on, if it asked for that. A nil
// progress tells nobody.
type progress struct {
	send  func(n int, message string)
	begun time.Time
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu      sync.Mutex
	n       int // what was last sent; it must grow from one notification to the next
	message string
}

// newProgress returns the progress of a call, nil when the client did not ask
// for any. It must be ended.
func newProgress(ctx context.Context, req mcp.CallToolRequest) *progress {
	if req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
		return nil
	}
	token := req.Params.Meta.ProgressToken
	return startProgress(ctx, req.Params.Name, func(n int, message string) {
		// It fails when the client does not read; the result is what counts.
		_ = rpc.Notify(ctx, "notifications/progress", map[string]any{
			"progressToken": token,
			"progress":      n,
			"message":       message,
		})
	})
}

// startProgress starts the heartbeat of a progress that is told through send.
func startProgress(ctx context.Context, message string, send func(n int, message string)) *progress {
	ctx, cancel := context.WithCancel(ctx)
	p := &progress{send: send, begun: time.Now(), stop: cancel, message: message}
	p.wg.Go(func() {
		t := time.NewTicker(heartbeat)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				p.beat()
			case <-ctx.Done():
				return
			}
		}
	})
	return p
}

// tell says what is going on now.
func (p *progress) tell(message string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if message == p.message {
		return
	}
	p.message = message
	p.n++
	p.send(p.n, message)
}

// doing says what is going on from now on, which the next beat tells.
func (p *progress) doing(message string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.message = message
}

// beat repeats what is going on, with the time it has taken.
func (p *progress) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	p.send(p.n, p.message+", "+time.Since(p.begun).Round(time.Second).String())
}

// end ends the heartbeat; nothing is sent after it.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.stop()
	p.wg.Wait()
}
