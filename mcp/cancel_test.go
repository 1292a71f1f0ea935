package mcp

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// endless is a host on which nothing that takes long ends before it is cancelled.
type endless struct {
	*fakeHost
	entered chan struct{} // is sent to as something begins
	waits   bool          // what is begun takes long
}

func (h *endless) until(ctx context.Context) error {
	if !h.waits {
		return nil
	}
	h.entered <- struct{}{}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (h *endless) Create(ctx context.Context, owner string, cfg sandbox.Config, onStep func(string)) (Desktop, error) {
	if err := h.until(ctx); err != nil {
		return nil, err
	}
	return h.fakeHost.Create(ctx, owner, cfg, onStep)
}

func (h *endless) Fork(ctx context.Context, owner, id string, onStep func(string)) (Desktop, error) {
	if err := h.until(ctx); err != nil {
		return nil, err
	}
	return h.fakeHost.Fork(ctx, owner, id, onStep)
}

// ends is a log that tells when calls end.
type ends struct {
	slog.Handler
	at chan time.Time
}

func (e ends) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "tool call" {
		e.at <- r.Time
	}
	return nil
}

// A call that its client cancels over HTTP ends before a person would notice, and
// leaves nothing behind.
func TestCancelIsQuick(t *testing.T) {
	const (
		times      = 20
		noticeable = 100 * time.Millisecond
	)
	for _, tool := range []string{"wait", "desktop_create", "desktop_fork"} {
		for how, stateless := range map[string]bool{"notification": false, "hang-up": true} {
			t.Run(tool+" by "+how, func(t *testing.T) {
				host := &endless{fakeHost: newFakeHost(), entered: make(chan struct{})}
				host.do = func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
					host.entered <- struct{}{}
					return hang(ctx, d, a, o)
				}
				log := ends{slog.DiscardHandler, make(chan time.Time, 1)}
				w := serveServer(t, Config{Desktops: host, Images: host, Logger: slog.New(awake{log})}, HTTPConfig{})
				id := w.callStateless("desktop_create", `{}`).Result.StructuredContent.DesktopID
				<-log.at
				host.waits = true
				var took []time.Duration
				for n := range times {
					args := map[string]string{
						"wait":           fmt.Sprintf(`{"duration":100,"desktop_id":%q}`, id),
						"desktop_create": fmt.Sprintf(`{"idempotency_key":"%d"}`, n), // not what an earlier one began
						"desktop_fork":   fmt.Sprintf(`{"desktop_id":%q}`, id),
					}[tool]
					session := w.session()
					ctx, hangUp := context.WithCancel(t.Context())
					var wg sync.WaitGroup
					wg.Go(func() { w.give(ctx, stateless, session, tool, args) })
					<-host.entered
					begun := time.Now()
					if stateless {
						hangUp()
					} else {
						w.do("POST", "/mcp", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, session...)
					}
					took = append(took, (<-log.at).Sub(begun))
					hangUp()
					wg.Wait()
					w.do("DELETE", "/mcp", "", session...)
				}
				slices.Sort(took)
				t.Logf("p50 %v, slowest of %d %v", took[len(took)/2], len(took), took[len(took)-1])
				if p50 := took[len(took)/2]; p50 > noticeable {
					t.Errorf("half of the calls took more than %v to end", p50)
				}
				if err := w.end(); err != nil {
					t.Error(err)
				}
				if host.leases != 0 || len(host.live) != 1 {
					t.Errorf("%d leases are left, and %d desktops", host.leases, len(host.live))
				}
			})
		}
	}
}

// awake has a log take every level.
type awake struct{ slog.Handler }

func (awake) Enabled(context.Context, slog.Level) bool { return true }

// give makes a call that nobody waits for the answer of, but until it breaks off.
func (w *web) give(ctx context.Context, stateless bool, session []string, tool, args string) {
	message, headers := strings.TrimSpace(toolCall(1, tool, args)), session
	if stateless {
		message = strings.Replace(message, `"params":{`, `"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},`, 1)
		headers = []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", tool}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/mcp", strings.NewReader(message))
	if err != nil {
		w.t.Error(err)
		return
	}
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		res.Body.Close()
	}
}
