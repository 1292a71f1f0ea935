package egress

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// TestWhatPanicsLetsNothingPass holds that packets stop when something dies of what a
// guest has sent, and that the server does not die with it.
func TestWhatPanicsLetsNothingPass(t *testing.T) {
	for _, tt := range []struct {
		name string
		die  func(w *world, cfg *Config, dead *atomic.Bool)
		do   func(w *world)
	}{
		{"judging a connection", ownDies, func(w *world) { w.says("203.0.113.2:7", "x") }},
		{"judging a datagram", ownDies, func(w *world) {
			if c, err := w.guest.dial(w.t.Context(), "udp", "203.0.113.2:7"); err == nil {
				c.Write([]byte("x"))
				c.Close()
			}
		}},
		{"judging a request", ownDies, func(w *world) { w.says("203.0.113.3:80", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") }},
		{"judging what is open", ownDies, func(w *world) { w.net.SetPolicy(w.policy(policy.Allow)) }},
		{"resolving", func(_ *world, cfg *Config, dead *atomic.Bool) {
			lookup := cfg.Lookup
			cfg.Lookup = func(ctx context.Context, network, host string) ([]netip.Addr, error) {
				if dead.Load() {
					panic("the resolver is dead")
				}
				return lookup(ctx, network, host)
			}
		}, func(w *world) { w.ask("a.example") }},
		{"dialling", func(w *world, cfg *Config, dead *atomic.Bool) {
			cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if dead.Load() {
					panic("the dialer is dead")
				}
				return w.dial(ctx, network, address)
			}
		}, func(w *world) { w.says("203.0.113.2:7", "x") }},
		{"logging", func(_ *world, cfg *Config, dead *atomic.Bool) {
			cfg.OnEntry = func(audit.Entry) {
				if dead.Load() {
					panic("the log is dead")
				}
			}
		}, func(w *world) { w.says("203.0.113.4:7", "x") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var dead atomic.Bool
			web := httptest.NewServer(http.NotFoundHandler())
			defer web.Close()
			var said lines
			w := newWorldWith(t, func(w *world, cfg *Config) {
				cfg.Logger = slog.New(slog.NewTextHandler(&said, nil))
				tt.die(w, cfg, &dead)
			}, policy.Allow, "203.0.113.1:7", "203.0.113.2:7", "203.0.113.2:7/udp", "a.example:80")
			w.name("a.example", "203.0.113.3")
			server := echo(t)
			w.put("203.0.113.1:7", server)
			w.put("203.0.113.2:7", server)
			w.put("203.0.113.3:80", web.Listener.Addr())
			w.resolve("a.example")
			c, err := w.guest.dial(t.Context(), "tcp", "203.0.113.1:7")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := answers(c); err != nil {
				t.Fatal(err)
			}
			dead.Store(true)
			go tt.do(w) // which may never be answered
			select {
			case <-w.net.ctx.Done():
			case <-time.After(10 * time.Second):
				t.Fatal("the network goes on")
			}
			c.SetDeadline(time.Now().Add(100 * time.Millisecond))
			io.WriteString(c, "x")
			if _, err := io.ReadFull(c, make([]byte, 1)); err == nil {
				t.Error("a connection of before goes on")
			}
			w.net.wg.Wait()
			if !strings.Contains(said.String(), "has failed, and is shut") || !strings.Contains(said.String(), "is dead") {
				t.Errorf("the server says %q", said.String())
			}
		})
	}
}

// lines is what was logged, from any goroutine: gVisor has some of its own.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func ownDies(_ *world, cfg *Config, dead *atomic.Bool) {
	cfg.Own = func(netip.Addr) bool {
		if dead.Load() {
			panic("the policy is dead")
		}
		return false
	}
}
