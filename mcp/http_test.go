package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/guard"
	"github.com/vmette/vmette-mcp/mcp/quota"
)

// web is a server over HTTP and a client of it.
type web struct {
	t      *testing.T
	url    string
	client http.RoundTripper
	end    func() error // tells it to end and waits

	calls atomic.Int64 // whose number is the id of the last one
}

// serveHTTP serves a host over HTTP until the test ends.
func serveHTTP(t *testing.T, host *fakeHost, cfg HTTPConfig) *web {
	t.Helper()
	return serveServer(t, Config{Desktops: host, Images: host, Version: "test"}, cfg)
}

// serveServer serves a server over HTTP until the test ends.
func serveServer(t *testing.T, what Config, cfg HTTPConfig) *web {
	t.Helper()
	s, err := New(what)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeHTTP(ctx, l, cfg) }()
	w := &web{t: t, url: "http://" + l.Addr().String(), client: http.DefaultTransport}
	w.end = sync.OnceValue(func() error {
		cancel()
		err := <-done
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		return err
	})
	t.Cleanup(func() {
		if err := w.end(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return w
}

// do makes a request with headers as pairs; "Host" is not one of them.
func (w *web) do(method, path, body string, headers ...string) *http.Response {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json, text/event-stream")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	res, err := w.client.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { res.Body.Close() })
	return res
}

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// session opens a session and returns the headers of requests in it.
func (w *web) session(headers ...string) []string {
	w.t.Helper()
	res := w.do("POST", "/mcp", initialize, headers...)
	id := res.Header.Get("Mcp-Session-Id")
	if res.StatusCode != http.StatusOK || id == "" {
		w.t.Fatalf("initialize is answered %s", res.Status)
	}
	return append([]string{"Mcp-Session-Id", id, "Mcp-Protocol-Version", "2025-11-25"}, headers...)
}

// reply is what a test looks at of the answer to a call.
type reply struct {
	Result struct {
		IsError           bool
		Content           []struct{ Type, Text, Data string }
		StructuredContent struct {
			DesktopID string `json:"desktop_id"`
		}
	}
}

func (o reply) text() string {
	for _, c := range o.Result.Content {
		if c.Type == "text" {
			return c.Text
		}
	}
	return ""
}

// call calls a tool in a session.
func (w *web) call(session []string, tool, args string) reply {
	w.t.Helper()
	return w.read(w.do("POST", "/mcp", strings.TrimSpace(toolCall(int(w.calls.Add(1)), tool, args)), session...))
}

// callStateless calls a tool without a session.
func (w *web) callStateless(tool, args string, headers ...string) reply {
	w.t.Helper()
	message := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s,`+
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, tool, args)
	return w.read(w.do("POST", "/mcp", message,
		append([]string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", tool}, headers...)...))
}

// read decodes an answer, whether it came as JSON or as events.
func (w *web) read(res *http.Response) (o reply) {
	w.t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if i := bytes.LastIndex(b, []byte("\ndata: ")); i >= 0 {
		b = b[i+len("\ndata: "):]
	}
	if err := json.Unmarshal(b, &o); err != nil {
		w.t.Fatalf("answered %s: %s", res.Status, b)
	}
	return o
}

// tokens gives each client a token and returns it with what verifies them.
func tokens(t *testing.T, names ...string) (verifier auth.Verifier, headers map[string][]string) {
	t.Helper()
	var lines []string
	headers = make(map[string][]string)
	for _, n := range names {
		token, line, err := auth.NewToken(n)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
		headers[n] = []string{"Authorization", "Bearer " + token}
	}
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := auth.OpenTokens(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v, headers
}

// Web pages reach nothing, over any of the transports, and can read nothing.
func TestWebPages(t *testing.T) {
	w := serveHTTP(t, newFakeHost(), HTTPConfig{Guard: guard.Config{Hosts: []string{"desktops.example.com"}}})
	stream := w.do("GET", "/sse", "")
	lines := bufio.NewReader(stream.Body)
	var messages string
	for !strings.HasPrefix(messages, "data: ") {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		messages = strings.TrimSpace(line)
	}
	messages = strings.TrimPrefix(messages, "data: ")
	session := w.session()
	const discover = `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	transports := map[string]func(headers ...string) *http.Response{
		"streamable old": func(h ...string) *http.Response {
			return w.do("POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, append(h, session...)...)
		},
		"streamable new": func(h ...string) *http.Response {
			return w.do("POST", "/mcp", discover, append(h, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "server/discover")...)
		},
		"SSE": func(h ...string) *http.Response { return w.do("GET", "/sse", "", h...) },
		"message": func(h ...string) *http.Response {
			return w.do("POST", messages, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, h...)
		},
	}
	origins := map[string]struct {
		headers []string
		ok      bool
	}{
		"none":               {nil, true},
		"localhost":          {[]string{"Origin", "http://localhost:3000"}, true},
		"evil":               {[]string{"Origin", "https://evil.com"}, false},
		"null":               {[]string{"Origin", "null"}, false},
		"localhost.evil.com": {[]string{"Origin", "http://localhost.evil.com"}, false},
		"two of them":        {[]string{"Origin", "http://localhost", "Origin", "https://evil.com"}, false},
	}
	hosts := map[string]bool{
		"127.0.0.1": true, "localhost:1": true, "desktops.example.com": true,
		"evil.com": false, "localhost.evil.com": false,
	}
	for name, request := range transports {
		for origin, o := range origins {
			for host, ok := range hosts {
				res := request(append([]string{"Host", host}, o.headers...)...)
				if good := res.StatusCode/100 == 2; good != (o.ok && ok) || !good && res.StatusCode != http.StatusForbidden {
					t.Errorf("%s, origin %s, host %s: answered %s", name, origin, host, res.Status)
				}
				for h := range res.Header {
					if strings.HasPrefix(h, "Access-Control") {
						t.Errorf("%s, origin %s, host %s: the answer has %s", name, origin, host, h)
					}
				}
				res.Body.Close()
			}
		}
	}
}

// Nobody can name the desktop of another client, in any tool of any profile.
func TestDesktopsOfOthers(t *testing.T) {
	for _, profile := range Profiles {
		t.Run(string(profile), func(t *testing.T) { desktopsOfOthers(t, profile) })
	}
}

func desktopsOfOthers(t *testing.T, profile Profile) {
	host := newFakeHost()
	v, as := tokens(t, "alice", "bob")
	w := serveServer(t, Config{Desktops: host, Images: host, Profile: profile}, HTTPConfig{Verifiers: []auth.Verifier{v}})
	alice, bob := w.session(as["alice"]...), w.session(as["bob"]...)
	id := w.call(alice, "desktop_create", `{}`).Result.StructuredContent.DesktopID
	if o := w.callStateless("cursor_position", `{"desktop_id":"`+id+`"}`, as["alice"]...); profile == ProfileToolset && o.Result.IsError {
		t.Fatalf("its own client is told %s", o.text())
	}
	before := host.last().actions()

	tools, err := profile.tools()
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools {
		if tool.name == "desktop_create" || tool.name == "desktop_list" {
			continue // which name none
		}
		if !slices.ContainsFunc(tool.takes(), func(p param) bool { return p.name == "desktop_id" }) {
			t.Errorf("%s does not say which desktop it is for", tool.name)
			continue
		}
		var args map[string]any
		if err := json.Unmarshal([]byte(tool.example), &args); err != nil {
			t.Fatal(err)
		}
		args["desktop_id"] = id
		raw, err := json.Marshal(args)
		if err != nil {
			t.Fatal(err)
		}
		for how, o := range map[string]reply{
			"in a session":      w.call(bob, tool.name, string(raw)),
			"without a session": w.callStateless(tool.name, string(raw), as["bob"]...),
		} {
			if !o.Result.IsError {
				t.Errorf("%s %s: another client may do it", tool.name, how)
			}
			if strings.Contains(o.text(), "no such desktop") {
				continue
			}
			// What is refused whatever desktop it is for tells nothing of this one.
			if own := w.call(alice, tool.name, string(raw)); !own.Result.IsError || own.text() != o.text() {
				t.Errorf("%s %s: another client is told %s", tool.name, how, o.text())
			}
		}
	}
	if o := w.call(bob, "desktop_list", `{}`); strings.Contains(o.text(), id) {
		t.Errorf("another client is told of it: %s", o.text())
	}
	if res := w.do("POST", "/mcp", initialize); res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("nobody is answered %s", res.Status)
	}
	if got := host.last().actions(); got != before {
		t.Errorf("done on it was\n%s", got)
	}
}

// A desktop that was asked for is good in any session of its client, and one that
// a session needed goes with it.
func TestDesktopsAndSessions(t *testing.T) {
	host := newFakeHost()
	w := serveHTTP(t, host, HTTPConfig{})
	var id string
	for i, args := range []string{`{}`, `{"desktop_id":"%s"}`, `{"desktop_id":"%s"}`} { // a session for each call
		s := w.session()
		if i == 0 {
			id = w.call(s, "desktop_create", args).Result.StructuredContent.DesktopID
		} else if o := w.call(s, "screenshot", fmt.Sprintf(args, id)); o.Result.IsError {
			t.Errorf("call %d is told %s", i, o.text())
		}
		if res := w.do("DELETE", "/mcp", "", s...); res.StatusCode != http.StatusNoContent {
			t.Errorf("the end of session %d is answered %s", i, res.Status)
		}
	}
	if o := w.callStateless("left_click", `{"coordinate":[1,2],"desktop_id":"`+id+`"}`); o.Result.IsError {
		t.Errorf("without a session it is told %s", o.text())
	}
	if o := w.callStateless("screenshot", `{}`); !o.Result.IsError || !strings.Contains(o.text(), "Call desktop_create") {
		t.Errorf("a call that names no desktop is told %s", o.text())
	}
	wants(t, w.callStateless("screenshot", `{"desktop_id":"gone"}`).text(), "Call desktop_create for a new one")
	s := w.session()
	wants(t, w.call(s, "screenshot", `{"desktop_id":"gone"}`).text(), "desktop_create starts a new one; without desktop_id this conversation's own is used")
	if o := w.call(s, "screenshot", `{}`); o.Result.IsError {
		t.Errorf("a session without a desktop is told %s", o.text())
	}
	w.do("DELETE", "/mcp", "", s...)
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if len(host.live) != 1 || host.live[0].info.ID != id {
		t.Errorf("%d desktops are left", len(host.live))
	}
}

// Two conversations on one desktop take turns, and each is shown what it has not
// seen.
func TestConversationsShareADesktop(t *testing.T) {
	host := newFakeHost()
	w := serveHTTP(t, host, HTTPConfig{})
	one, two := w.session(), w.session()
	id := w.call(one, "desktop_create", `{}`).Result.StructuredContent.DesktopID
	named := `"desktop_id":"` + id + `"`
	w.call(one, "screenshot", `{}`)
	if o := w.call(two, "mouse_move", `{"coordinate":[1,2],`+named+`}`); len(o.Result.Content) != 2 {
		t.Errorf("one that has not seen the screen is told %q alone", o.text())
	}

	entered, leave := make(chan struct{}), make(chan struct{})
	host.do = func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
		if _, ok := a.(desktop.Wait); ok {
			close(entered)
			<-leave
		}
		return obey(ctx, d, a, o)
	}
	var wg sync.WaitGroup
	wg.Go(func() { w.call(one, "wait", `{"duration":1}`) }) // named as its own
	<-entered
	wg.Go(func() { w.call(two, "type", `{"text":"after",`+named+`}`) })
	if o := w.call(two, "cursor_position", `{`+named+`}`); o.Result.IsError { // which waits for nobody
		t.Error(o.text())
	}
	close(leave)
	wg.Wait()
	if got := host.last().actions(); !strings.HasSuffix(got, "desktop.Wait{DurationMS:1000}\ndesktop.Type{Text:after}\n") {
		t.Errorf("done was\n%s", got)
	}
}

// A client that does not know whether its desktop_create came through sends it
// again, with the same key, and in any session.
func TestIdempotencyKey(t *testing.T) {
	host := newFakeHost()
	host.capacity = 4
	v, as := tokens(t, "alice", "bob")
	w := serveHTTP(t, host, HTTPConfig{Verifiers: []auth.Verifier{v}})
	host.gate, host.steps = make(chan struct{}), make(chan string)
	const args = `{"idempotency_key":"mine"}`
	ids := make(chan string, 3)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			ids <- w.call(w.session(as["alice"]...), "desktop_create", args).Result.StructuredContent.DesktopID
		})
	}
	host.steps <- "start qemu"
	close(host.gate)
	wg.Wait()
	id := <-ids
	ids <- w.callStateless("desktop_create", args, as["alice"]...).Result.StructuredContent.DesktopID
	for range 2 {
		if other := <-ids; id == "" || other != id {
			t.Errorf("the same key made %q and %q", id, other)
		}
	}
	session := w.session(as["bob"]...)
	for range 2 {
		wants(t, w.call(session, "desktop_create", `{"idempotency_key":"own"}`).text(), "Calls without desktop_id use it.")
	}
	w.do("DELETE", "/mcp", "", session...)
	if got := w.callStateless("desktop_create", args, as["bob"]...).Result.StructuredContent.DesktopID; got == id {
		t.Error("another client got the same desktop")
	}
	w.callStateless("desktop_close", `{"desktop_id":"`+id+`"}`, as["alice"]...)
	if got := w.callStateless("desktop_create", args, as["alice"]...).Result.StructuredContent.DesktopID; got == "" || got == id {
		t.Errorf("once it is gone the key makes %q", got)
	}
}

// A desktop ends when it is too old, whoever uses it.
func TestDesktopLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost()
		s, err := New(Config{Desktops: host, Images: host})
		if err != nil {
			t.Fatal(err)
		}
		r := newRemote(s, quota.NewBook(quota.Limits{}), time.Hour)
		conv, err := r.Converse(auth.Local)
		if err != nil {
			t.Fatal(err)
		}
		c := conv.(*sessionConversation)
		d, err := c.use(t.Context(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Release()
		time.Sleep(59 * time.Minute)
		if len(host.List("http local")) != 1 {
			t.Error("it ended before its time")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(host.List("http local")) != 0 {
			t.Error("it has not ended")
		}
		if err := errors.Join(conv.Close(t.Context()), r.close(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func TestLimitsOfAClient(t *testing.T) {
	v, as := tokens(t, "alice", "bob")
	host := newFakeHost()
	w := serveHTTP(t, host, HTTPConfig{Verifiers: []auth.Verifier{v}, Limits: quota.Limits{Desktops: 1, Calls: 1}})
	alice := w.session(as["alice"]...)
	w.call(alice, "desktop_create", `{}`)
	if o := w.call(alice, "desktop_create", `{}`); !o.Result.IsError || !strings.Contains(o.text(), "limit of 1 desktops at once") {
		t.Errorf("a second desktop is answered %s", o.text())
	}
	if o := w.callStateless("desktop_create", `{}`, as["bob"]...); o.Result.IsError {
		t.Errorf("another client is told %s", o.text())
	}
	for range 10 {
		if o := w.call(alice, "desktop_list", `{}`); o.Result.IsError {
			if !strings.Contains(o.text(), "limit of 1 calls a second is reached: call again in 1 seconds") {
				t.Errorf("a call too many is answered %s", o.text())
			}
			return
		}
	}
	t.Error("no call was too many")
}

func TestOperatorsPages(t *testing.T) {
	v, as := tokens(t, "alice", "bob", "carol")
	w := serveHTTP(t, newFakeHost(), HTTPConfig{
		Verifiers: []auth.Verifier{v},
		Limits:    quota.Limits{Desktops: 1},
		Resource:  auth.Resource{URL: "https://d.example.com/mcp", Issuers: []string{"https://login.example.com"}},
	})
	w.call(w.session(as["alice"]...), "desktop_list", `{}`)
	for _, who := range []string{"alice", "alice", "bob", "carol"} { // of two desktops, each may have one
		w.callStateless("desktop_create", `{}`, as[who]...)
	}
	for _, tt := range []struct {
		path    string
		headers []string
		want    int
		says    string
	}{
		{"/healthz", nil, 200, "ok"},
		{"/readyz", nil, 200, "ready"},
		{"/metrics", nil, 401, ""},
		{"/metrics", as["alice"], 200, `vmette_call_seconds_count{outcome="ok",tool="desktop_list"} 1`},
		{"/metrics", as["alice"], 200, "vmette_sessions 1"},
		{"/metrics", as["alice"], 200, `vmette_network_entries_total{kind="tcp",verdict="allowed"} 7`},
		{"/metrics", as["alice"], 200, `vmette_network_entries_total{kind="dns",verdict="blocked"} 3`},
		{"/metrics", as["alice"], 200, `vmette_network_bytes_total{direction="received"} 7000`},
		{"/metrics", as["alice"], 200, `vmette_desktops{state="running"} 2`},
		{"/metrics", as["alice"], 200, `vmette_start_seconds_count{outcome="ok"} 2`},
		{"/metrics", as["alice"], 200, `vmette_refused_calls_total{limit="capacity"} 1`},
		{"/metrics", as["alice"], 200, `vmette_refused_calls_total{limit="client desktops"} 1`},
		{"/metrics", as["alice"], 200, `vmette_http_requests_total{code="401",method="get"} 1`},
		{"/.well-known/oauth-protected-resource", nil, 200, `"authorization_servers":["https://login.example.com"]`},
		{"/.well-known/oauth-protected-resource/mcp", nil, 200, `"resource":"https://d.example.com/mcp"`},
		{"/", nil, 404, ""},
	} {
		res := w.do("GET", tt.path, "", tt.headers...)
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != tt.want || !strings.Contains(string(b), tt.says) {
			t.Errorf("%s: answered %s, without %q, %v", tt.path, res.Status, tt.says, err)
		}
	}
	if got := w.do("POST", "/mcp", initialize).Header.Get("WWW-Authenticate"); !strings.Contains(got, `resource_metadata="https://d.example.com/.well-known/oauth-protected-resource/mcp"`) {
		t.Errorf("a client without a token is told %s", got)
	}
}

// A handler that panics is the server's fault: the log says so at a level that
// operators read, whoever made the request.
func TestPanicsAreErrors(t *testing.T) {
	var log bytes.Buffer
	s, err := New(Config{Desktops: newFakeHost(), Images: newFakeHost(), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{"no such thing", http.ErrAbortHandler} {
		func() {
			defer func() {
				if got := recover(); got != http.ErrAbortHandler {
					t.Errorf("after %v it panics with %v, which net/http would log again", v, got)
				}
			}()
			s.reportPanics(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(v) })).ServeHTTP(nil, nil)
		}()
	}
	if got := log.String(); strings.Count(got, "level=ERROR") != 1 || !strings.Contains(got, "no such thing") || !strings.Contains(got, "http_test.go") {
		t.Errorf("the log says %s", got)
	}
}

func TestHTTPRefusesToServeEveryone(t *testing.T) {
	host := newFakeHost()
	s, err := New(Config{Desktops: host, Images: host})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ServeHTTP(t.Context(), l, HTTPConfig{}); err == nil || !strings.Contains(err.Error(), "without authentication") {
		t.Errorf("got %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("it still listens")
	}
}
