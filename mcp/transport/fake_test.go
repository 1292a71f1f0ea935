package transport

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// backend is a host of conversations in which nothing is said but what the
// methods of messages ask for:
//
//	initialize   is answered
//	notify N     N notifications, and then the answer
//	echo         the params
//	hold         no answer until the request is cancelled, or the backend let go
//	fail         an error
type backend struct {
	held      chan string   // the id of each request that is held
	letGo     chan struct{} // closed to answer them
	cancelled chan error    // why each of them was cancelled
	closed    chan struct{} // one for each conversation that was closed

	mu    sync.Mutex
	open  int // conversations
	opens int // that were ever opened
	full  bool
	heard []string // methods of notifications
}

func newBackend() *backend {
	return &backend{held: make(chan string, 100), letGo: make(chan struct{}), cancelled: make(chan error, 100), closed: make(chan struct{}, 100)}
}

func (b *backend) Converse(auth.Identity) (Conversation, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open++
	b.opens++
	return &talk{b}, nil
}

func (b *backend) count() (open, opens int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open, b.opens
}

type talk struct{ *backend }

func (t *talk) Empty() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.full
}

func (t *talk) Close(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open--
	select {
	case t.closed <- struct{}{}:
	default: // the test does not care
	}
	return nil
}

func (b *backend) Handle(ctx context.Context, m *rpc.Message) *rpc.Answer {
	if !m.IsRequest() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.heard = append(b.heard, m.Method)
		return nil
	}
	method, arg, _ := strings.Cut(m.Method, " ")
	switch method {
	case "initialize":
		return &rpc.Answer{Result: map[string]string{"protocolVersion": "2025-11-25"}}
	case "notify":
		var n int
		_, _ = fmt.Sscan(arg, &n)
		for i := range n {
			if err := rpc.Notify(ctx, "notifications/progress", map[string]any{"progress": i + 1}); err != nil {
				return &rpc.Answer{Error: &rpc.Error{Code: rpc.CodeInternal, Message: err.Error()}}
			}
		}
		return &rpc.Answer{Result: map[string]int{"sent": n}}
	case "echo":
		return &rpc.Answer{Result: m.Params}
	case "ask":
		var answer json.RawMessage
		if err := rpc.Call(ctx, "sampling/createMessage", map[string]string{"prompt": "why"}, &answer); err != nil {
			return &rpc.Answer{Error: &rpc.Error{Code: rpc.CodeInternal, Message: err.Error()}}
		}
		return &rpc.Answer{Result: answer}
	case "hold":
		b.held <- string(m.ID)
		select {
		case <-ctx.Done():
			b.cancelled <- context.Cause(ctx)
		case <-b.letGo:
		}
		return &rpc.Answer{Result: "let go"}
	}
	return &rpc.Answer{Error: &rpc.Error{Code: rpc.CodeNoMethod, Message: "what?"}}
}

// as has a handler take every client for one that the X-Client header names.
func as(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(auth.With(r.Context(), auth.Identity{Name: r.Header.Get("X-Client")})))
	})
}

func (t *Transport) mux() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/mcp", t.Streamable())
	mux.Handle("/sse", t.SSE("/message"))
	mux.Handle("/message", t.Messages())
	return as(mux)
}

// serve serves a transport on the loopback address.
func serve(t *testing.T, cfg Config) (*Transport, *httptest.Server) {
	t.Helper()
	tr := New(cfg)
	srv := httptest.NewServer(tr.mux())
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nothing is waited for
		_ = tr.Shutdown(ctx)
		srv.Close()
	})
	return tr, srv
}

// ask is a request over HTTP: "POST {...}", "GET" or "DELETE" with headers as
// pairs.
func ask(t *testing.T, ctx context.Context, url, method, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("X-Client", "alice")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("body: %v", err)
	}
	return strings.TrimSpace(string(b))
}

func request(id int, method string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{}}`, id, method)
}

// open opens a session and returns its id.
func open(t *testing.T, url string, headers ...string) string {
	t.Helper()
	res := ask(t, t.Context(), url+"/mcp", "POST", request(0, "initialize"), headers...)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("initialize is answered %s: %s", res.Status, body(t, res))
	}
	return res.Header.Get(headerSession)
}

// event is a server-sent event.
type event struct{ id, name, data string }

// events reads the events of a response one by one, without comments.
func events(r io.Reader) func() (event, bool) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	return func() (e event, ok bool) {
		for lines.Scan() {
			line := lines.Text()
			if line == "" && ok {
				return e, true
			}
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "id":
				e.id, ok = value, true
			case "event":
				e.name, ok = value, true
			case "data":
				e.data, ok = value, true
			}
		}
		return e, false
	}
}
