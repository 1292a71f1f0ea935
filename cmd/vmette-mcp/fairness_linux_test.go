package main

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/rootfs"
)

// nuisance is what one client does that others should not notice.
type nuisance struct {
	name string
	do   func(m *mallory, ctx context.Context)
}

// mallory is a client that means no good, with a desktop.
type mallory struct {
	s       *remoteServer
	fail    func(format string, args ...any)
	desktop string
}

var nuisances = []nuisance{
	{"answers that are not read", (*mallory).unread},
	{"a flood of calls", (*mallory).flood},
	{"desktops that crash", (*mallory).crash},
	{"a guest that keeps its processors busy", (*mallory).burn},
}

// unread asks for pictures on many connections and takes none of them.
func (m *mallory) unread(ctx context.Context) {
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "tcp", strings.TrimSuffix(strings.TrimPrefix(m.s.url, "http://"), "/mcp"))
			if err != nil {
				return
			}
			defer conn.Close()
			_ = conn.(*net.TCPConn).SetReadBuffer(1)
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"zoom","arguments":{"desktop_id":%q,"region":[0,0,1280,800]},`+
				`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, m.desktop)
			for err == nil {
				_, err = fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
					"Accept: application/json, text/event-stream\r\nMcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: zoom\r\n"+
					"Content-Length: %d\r\n\r\n%s", m.s.tokens["mallory"], len(body), body)
			}
		})
	}
	wg.Wait()
}

// flood calls again and again, whether that is refused or not.
func (m *mallory) flood(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			c := m.s.client("mallory", i%2 == 0)
			defer c.close()
			for ctx.Err() == nil {
				_, _ = c.call(ctx, "screenshot", map[string]any{"desktop_id": m.desktop})
			}
		})
	}
	wg.Wait()
}

// crash starts desktops and has their kernels panic.
func (m *mallory) crash(ctx context.Context) {
	c := m.s.client("mallory", true)
	defer c.close()
	for ctx.Err() == nil {
		r, err := c.call(ctx, "desktop_create", map[string]any{})
		if err != nil || r.desktop == "" {
			continue
		}
		_, _ = c.call(ctx, "exec", map[string]any{"desktop_id": r.desktop, "command": "echo c | sudo tee /proc/sysrq-trigger"})
	}
}

// burn has every processor of the guest count, and its screen change all the time.
func (m *mallory) burn(ctx context.Context) {
	c := m.s.client("mallory", true)
	defer c.close()
	const command = "for i in 1 2 3 4; do setsid sh -c 'while :; do :; done' >/dev/null 2>&1 & done; setsid xterm -e yes >/dev/null 2>&1 &"
	if r, err := c.call(ctx, "exec", map[string]any{"desktop_id": m.desktop, "command": command}); err != nil || r.failed != "" {
		if ctx.Err() == nil {
			m.fail("keep the guest busy: %v %s", err, r.failed)
		}
	}
	<-ctx.Done()
}

// closeAll closes all desktops of mallory's.
func (m *mallory) closeAll(t *testing.T, c *remoteClient) {
	t.Helper()
	for line := range strings.Lines(persist(t, c, "desktop_list", map[string]any{}).text) {
		if id, _, ok := strings.Cut(line, ": "); ok {
			// One that has crashed may end of itself before.
			_, _ = c.call(t.Context(), "desktop_close", map[string]any{"desktop_id": id})
		}
	}
}

// TestIntegrationFairness has one client work on its desktop, alone and beside
// another one that means no good, by turns: it never meets an error. In a long run
// it is also told how much slower its calls become, and must not be more than
// twice as slow.
func TestIntegrationFairness(t *testing.T) {
	if testing.Short() {
		t.Skip("boots guests, which -short leaves out")
	}
	lasts, long := loadTime(t)
	part, rounds := lasts/15, 3
	if !long {
		part, rounds = 500*time.Millisecond, 1
	}
	if err := templateBuild(t, rootfs.MinimalSpec).Run(); err != nil {
		t.Fatal(err)
	}
	s := startRemote(t, []string{"alice", "mallory"}, "--image", rootfs.MinimalSpec, "--state-dir", t.TempDir(),
		"--desktops", "4", "--client-desktops", "2")
	alice := s.client("alice", false)
	defer alice.close()
	id := persist(t, alice, "desktop_create", map[string]any{}).desktop
	persist(t, alice, "launch", map[string]any{"desktop_id": id, "command": terminal})
	use := func(t *testing.T, until context.Context, took *latencies) {
		for until.Err() == nil {
			for tool, args := range map[string]map[string]any{
				"screenshot": {},
				"left_click": {"coordinate": []int{300, 300}},
				"mouse_move": {"coordinate": []int{300, 200}},
				"type":       {"text": "x"},
			} {
				args["desktop_id"] = id
				begun := time.Now()
				if r, err := alice.call(t.Context(), tool, args); err != nil || r.failed != "" || r.refused != "" {
					t.Fatalf("%s: %v %s %s", tool, err, r.failed, r.refused)
				}
				took.add("all", time.Since(begun))
			}
		}
	}
	for _, n := range nuisances {
		t.Run(n.name, func(t *testing.T) {
			var alone, beside latencies
			for range rounds {
				quiet, stop := context.WithTimeout(t.Context(), part)
				use(t, quiet, &alone)
				stop()
				mallory := &mallory{s: s, fail: t.Errorf}
				c := s.client("mallory", true)
				mallory.desktop = persist(t, c, "desktop_create", map[string]any{}).desktop
				loud, stop := context.WithTimeout(t.Context(), part)
				var wg sync.WaitGroup
				wg.Go(func() { n.do(mallory, loud) })
				use(t, loud, &beside)
				stop()
				wg.Wait()
				mallory.closeAll(t, c)
				c.close()
			}
			p50, p99 := alone.percentile("all", 50), alone.percentile("all", 99)
			q50, q99 := beside.percentile("all", 50), beside.percentile("all", 99)
			t.Logf("alone: n %d, p50 %v, p99 %v; beside: n %d, p50 %v, p99 %v; %.2f and %.2f times as long",
				len(alone.took["all"]), p50.Round(time.Millisecond), p99.Round(time.Millisecond),
				len(beside.took["all"]), q50.Round(time.Millisecond), q99.Round(time.Millisecond),
				q50.Seconds()/p50.Seconds(), q99.Seconds()/p99.Seconds())
			if long && q99 > 2*p99 {
				t.Errorf("the slowest calls take %.1f times as long", q99.Seconds()/p99.Seconds())
			}
		})
	}
}

// persist calls a tool until it is done: again, when the server says that there
// were too many calls just now, after the time that it names.
func persist(t *testing.T, c *remoteClient, tool string, args map[string]any) remoteResult {
	t.Helper()
	for {
		r, err := c.call(t.Context(), tool, args)
		if err != nil || r.failed != "" {
			t.Fatalf("%s: %v %s", tool, err, r.failed)
		}
		if r.refused == "" {
			return r
		}
		again := comeAgain.FindStringSubmatch(r.refused)
		if again == nil {
			t.Fatalf("%s: %s", tool, r.refused)
		}
		seconds, err := strconv.Atoi(again[1])
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(seconds) * time.Second)
	}
}

var comeAgain = regexp.MustCompile(` a second is reached: .* in (\d+) seconds`)
