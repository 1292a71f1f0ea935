package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

func TestSession(t *testing.T) {
	b := newBackend()
	_, srv := serve(t, Config{Backend: b})
	id := open(t, srv.URL)
	if len(id) < 26 {
		t.Fatalf("session id %q", id)
	}
	for _, tt := range []struct {
		name, method, body string
		headers            []string
		want               int
		says               string
	}{
		{"a request", "POST", request(7, "echo"), nil, 200, `{"jsonrpc":"2.0","id":7,"result":{}}`},
		{"an id that is a large number", "POST", `{"jsonrpc":"2.0","id":9007199254740993,"method":"echo"}`, nil, 200, `"id":9007199254740993`},
		{"an error", "POST", request(8, "what"), nil, 200, `"code":-32601`},
		{"a notification", "POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil, 202, ""},
		{"an answer to nothing", "POST", `{"jsonrpc":"2.0","id":"x","result":{}}`, nil, 202, ""},
		{"a known revision", "POST", request(9, "echo"), []string{headerVersion, "2025-06-18"}, 200, ""},
		{"an unknown revision", "POST", request(9, "echo"), []string{headerVersion, "2025-01-01"}, 400, "2025-11-25"},
		{"no session", "POST", request(9, "echo"), []string{headerSession, ""}, 400, headerSession},
		{"an unknown session", "POST", request(9, "echo"), []string{headerSession, "x"}, 404, "initialize"},
		{"another client", "POST", request(9, "echo"), []string{"X-Client", "bob"}, 404, "initialize"},
		{"another client listens", "GET", "", []string{"X-Client", "bob"}, 404, ""},
		{"another client ends it", "DELETE", "", []string{"X-Client", "bob"}, 404, ""},
		{"no JSON", "POST", `{"jsonrpc"`, nil, 400, `"code":-32700`},
		{"a batch", "POST", "[" + request(3, "echo") + "]", nil, 400, "batches are not supported"},
		{"another method", "PUT", "", nil, 405, ""},
		{"an event that is gone", "GET", "", []string{headerLastEvent, "77.1"}, 404, ""},
		{"no event", "GET", "", []string{headerLastEvent, "-"}, 404, ""},
		{"its end", "DELETE", "", nil, 204, ""},
		{"after its end", "POST", request(9, "echo"), nil, 404, "initialize"},
		{"a stream after its end", "GET", "", nil, 404, ""},
	} {
		res := ask(t, t.Context(), srv.URL+"/mcp", tt.method, tt.body, append([]string{headerSession, id}, tt.headers...)...)
		if got := body(t, res); res.StatusCode != tt.want || !strings.Contains(got, tt.says) {
			t.Errorf("%s: answered %d: %s", tt.name, res.StatusCode, got)
		}
	}
	<-b.closed // which the transport does not have its client wait for
	if open, _ := b.count(); open != 0 {
		t.Errorf("%d conversations are open", open)
	}
}

// What comes before an answer makes it a stream, and the client is asked over
// it.
func TestRequestWithNotifications(t *testing.T) {
	_, srv := serve(t, Config{Backend: newBackend()})
	id := open(t, srv.URL)
	res := ask(t, t.Context(), srv.URL+"/mcp", "POST", request(1, "notify 2"), headerSession, id, headerVersion, "2025-11-25")
	want := "id: 1.0\nretry: 1000\ndata: \n\n" +
		"id: 1.1\nevent: message\n" + `data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}` + "\n\n" +
		"id: 1.2\nevent: message\n" + `data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":2}}` + "\n\n" +
		"id: 1.3\nevent: message\n" + `data: {"jsonrpc":"2.0","id":1,"result":{"sent":2}}`
	if got := body(t, res); got != want {
		t.Errorf("got\n%s", got)
	}

	res = ask(t, t.Context(), srv.URL+"/mcp", "POST", request(2, "notify 2"), headerSession, id, "Accept", "application/json")
	if got := body(t, res); got != `{"jsonrpc":"2.0","id":2,"result":{"sent":2}}` {
		t.Errorf("a client that takes JSON alone got %s", got)
	}

	res = ask(t, t.Context(), srv.URL+"/mcp", "POST", request(3, "ask"), headerSession, id)
	next := events(res.Body)
	e, _ := next()
	if !strings.Contains(e.data, `"id":"server-1","method":"sampling/createMessage"`) {
		t.Fatalf("the client was asked %s", e.data)
	}
	ask(t, t.Context(), srv.URL+"/mcp", "POST", `{"jsonrpc":"2.0","id":"server-1","result":{"because":1}}`, headerSession, id)
	if e, _ := next(); e.data != `{"jsonrpc":"2.0","id":3,"result":{"because":1}}` {
		t.Errorf("the answer is %s", e.data)
	}
}

// A client whose connection broke reads on where it was.
func TestResume(t *testing.T) {
	b := newBackend()
	_, srv := serve(t, Config{Backend: b})
	id := open(t, srv.URL)
	ctx, hangUp := context.WithCancel(t.Context())
	res := ask(t, ctx, srv.URL+"/mcp", "POST", request(1, "hold"), headerSession, id, headerVersion, "2025-11-25")
	e, ok := events(res.Body)() // once an answer has not come for a second
	if !ok || e.id != "1.0" || e.data != "" {
		t.Fatalf("the first event is %+v", e)
	}
	hangUp()
	close(b.letGo)
	for range 2 { // as often as it wants
		res = ask(t, t.Context(), srv.URL+"/mcp", "GET", "", headerSession, id, headerLastEvent, e.id)
		if got := body(t, res); !strings.HasSuffix(got, `data: {"jsonrpc":"2.0","id":1,"result":"let go"}`) {
			t.Errorf("it got\n%s", got)
		}
	}
}

func TestCancel(t *testing.T) {
	b := newBackend()
	_, srv := serve(t, Config{Backend: b})
	id := open(t, srv.URL)
	answered := make(chan string)
	go func() {
		answered <- body(t, ask(t, t.Context(), srv.URL+"/mcp", "POST", request(5, "hold"), headerSession, id))
	}()
	<-b.held
	ask(t, t.Context(), srv.URL+"/mcp", "POST", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`, headerSession, id)
	if err := <-b.cancelled; !errors.Is(err, rpc.ErrCancelled) {
		t.Errorf("it was cancelled by %v", err)
	}
	if got := <-answered; strings.Contains(got, "result") {
		t.Errorf("it was answered %s", got)
	}
}

// A later stream takes the place of an earlier one, which the client has lost.
func TestListen(t *testing.T) {
	tr, srv := serve(t, Config{Backend: newBackend()})
	id := open(t, srv.URL)
	first := ask(t, t.Context(), srv.URL+"/mcp", "GET", "", headerSession, id)
	second := ask(t, t.Context(), srv.URL+"/mcp", "GET", "", headerSession, id)
	if got := body(t, first); got != "" {
		t.Errorf("the first stream says %q", got)
	}
	if err := tr.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := body(t, second); got != "" {
		t.Errorf("the second stream says %q", got)
	}
}

// Of a thousand calls with progress no notification is lost, over any of the
// transports.
func TestNoNotificationIsLost(t *testing.T) {
	const clients, calls, each = 8, 125, 3
	_, srv := serve(t, Config{Backend: newBackend()})
	check := func(t *testing.T, next func() (event, bool), n int) {
		for i := range each {
			if e, ok := next(); !ok || !strings.Contains(e.data, fmt.Sprintf(`"progress":%d`, i+1)) {
				t.Errorf("call %d: instead of notification %d came %+v, %v", n, i+1, e, ok)
			}
		}
		if e, ok := next(); !ok || !strings.Contains(e.data, fmt.Sprintf(`"id":%d,`, n)) {
			t.Errorf("call %d: instead of the answer came %+v, %v", n, e, ok)
		}
	}
	method := fmt.Sprintf("notify %d", each)
	for name, client := range map[string]func(t *testing.T){
		"with sessions": func(t *testing.T) {
			id := open(t, srv.URL)
			for n := range calls {
				check(t, events(ask(t, t.Context(), srv.URL+"/mcp", "POST", request(n, method), headerSession, id).Body), n)
			}
		},
		"without sessions": func(t *testing.T) {
			for n := range calls {
				check(t, events(ask(t, t.Context(), srv.URL+"/mcp", "POST", modern(n, method), headerVersion, stateless).Body), n)
			}
		},
		"SSE": func(t *testing.T) {
			next := events(ask(t, t.Context(), srv.URL+"/sse", "GET", "").Body)
			e, _ := next()
			for n := range calls {
				ask(t, t.Context(), srv.URL+e.data, "POST", request(n, method))
				check(t, next, n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() { client(t) })
			}
			wg.Wait()
		})
	}
}

// A client that opens sessions in a loop keeps the last ones, and those that
// something depends on; other clients are served.
func TestSessionsAreBounded(t *testing.T) {
	const most = 4
	b := newBackend()
	tr, srv := serve(t, Config{Backend: b, Quota: quota.NewBook(quota.Limits{Sessions: most})})
	first := open(t, srv.URL)
	listening := ask(t, t.Context(), srv.URL+"/mcp", "GET", "", headerSession, first)
	for range 100 {
		open(t, srv.URL)
	}
	if n := tr.Sessions(); n != most {
		t.Errorf("there are %d sessions", n)
	}
	if res := ask(t, t.Context(), srv.URL+"/mcp", "POST", request(1, "echo"), headerSession, first); res.StatusCode != http.StatusOK {
		t.Errorf("the session in use is answered %s", res.Status)
	}
	listening.Body.Close()

	b.mu.Lock()
	b.full = true // now something depends on each
	b.mu.Unlock()
	res := ask(t, t.Context(), srv.URL+"/mcp", "POST", request(0, "initialize"))
	if got := body(t, res); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" || !strings.Contains(got, "4 sessions at once") {
		t.Errorf("one session too many is answered %s: %s", res.Status, got)
	}
	open(t, srv.URL, "X-Client", "bob")
}

func TestQuota(t *testing.T) {
	b := newBackend()
	_, srv := serve(t, Config{Backend: b, Quota: quota.NewBook(quota.Limits{Held: 100})})
	id := open(t, srv.URL)
	var wg sync.WaitGroup
	wg.Go(func() { ask(t, t.Context(), srv.URL+"/mcp", "POST", request(5, "hold"), headerSession, id) })
	<-b.held
	res := ask(t, t.Context(), srv.URL+"/mcp", "POST", request(6, "echo"), headerSession, id)
	if got := body(t, res); res.StatusCode != http.StatusTooManyRequests || !strings.Contains(got, "100 bytes of requests at once") {
		t.Errorf("answered %s: %s", res.Status, got)
	}
	if res := ask(t, t.Context(), srv.URL+"/mcp", "POST", request(6, "initialize"), "X-Client", "bob"); res.StatusCode != http.StatusOK {
		t.Errorf("another client is answered %s", res.Status)
	}
	close(b.letGo)
	wg.Wait()
}

// A server that closes finishes what is under way and takes nothing new.
func TestShutdown(t *testing.T) {
	b := newBackend()
	tr, srv := serve(t, Config{Backend: b})
	id := open(t, srv.URL)
	answered := make(chan string)
	go func() {
		answered <- body(t, ask(t, t.Context(), srv.URL+"/mcp", "POST", request(5, "hold"), headerSession, id))
	}()
	<-b.held
	down := make(chan error)
	go func() { down <- tr.Shutdown(context.Background()) }()
	for { // until it is noticed
		res := ask(t, t.Context(), srv.URL+"/mcp", "POST", request(6, "echo"), headerSession, id)
		if res.StatusCode == http.StatusServiceUnavailable {
			break
		}
	}
	close(b.letGo)
	if got := <-answered; !strings.Contains(got, "let go") {
		t.Errorf("the call under way was answered %s", got)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
	if open, _ := b.count(); open != 0 {
		t.Errorf("%d conversations are open", open)
	}
}

func TestShutdownHasAnEnd(t *testing.T) {
	b := newBackend()
	tr, srv := serve(t, Config{Backend: b})
	id := open(t, srv.URL)
	var wg sync.WaitGroup
	wg.Go(func() { ask(t, t.Context(), srv.URL+"/mcp", "POST", request(5, "hold"), headerSession, id) })
	<-b.held
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := tr.Shutdown(ctx); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if err := <-b.cancelled; !errors.Is(err, errClosing) {
		t.Errorf("the call under way was cancelled by %v", err)
	}
	wg.Wait()
}
