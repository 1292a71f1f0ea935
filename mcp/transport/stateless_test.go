package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// modern is a request of revision 2026-07-28.
func modern(id int, method string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":%q}}}`, id, method, stateless)
}

func TestStateless(t *testing.T) {
	b := newBackend()
	tr, srv := serve(t, Config{Backend: b})
	for _, tt := range []struct {
		name, method, body string
		headers            []string
		want               int
		says               string
	}{
		{"a request", "POST", modern(1, "echo"), nil, 200, `"id":1,"result"`},
		{"a session that is named is not looked for", "POST", modern(1, "echo"), []string{headerSession, "x"}, 200, `"id":1,"result"`},
		{"an unknown method", "POST", modern(1, "what"), nil, 404, `"code":-32601`},
		{"no header", "POST", modern(1, "echo"), []string{headerVersion, ""}, 400, `"code":-32020`},
		{"no _meta", "POST", request(1, "echo"), nil, 400, `"code":-32602`},
		{"another header", "POST", modern(1, "echo"), []string{headerVersion, "2025-11-25"}, 400, `"code":-32020`},
		{"a stream to resume", "POST", modern(1, "echo"), []string{headerLastEvent, "1.1"}, 400, `"code":-32020`},
		{"an answer", "POST", `{"jsonrpc":"2.0","id":1,"result":{}}`, nil, 400, `"code":-32600`},
		{"a notification", "POST", `{"jsonrpc":"2.0","method":"notifications/x"}`, nil, 202, ""},
		{"GET", "GET", "", nil, 405, ""},
		{"DELETE", "DELETE", "", nil, 405, ""},
	} {
		res := ask(t, t.Context(), srv.URL+"/mcp", tt.method, tt.body, append([]string{headerVersion, stateless}, tt.headers...)...)
		if got := body(t, res); res.StatusCode != tt.want || !strings.Contains(got, tt.says) {
			t.Errorf("%s: answered %d: %s", tt.name, res.StatusCode, got)
		}
		if got := res.Header.Get(headerSession); got != "" {
			t.Errorf("%s: session %q is opened", tt.name, got)
		}
	}
	if _, opens := b.count(); opens != 0 || tr.Sessions() != 0 {
		t.Errorf("%d conversations were opened", opens)
	}
}

// Without a session there is nothing to come back to: who hangs up cancels.
func TestStatelessHangUp(t *testing.T) {
	b := newBackend()
	_, srv := serve(t, Config{Backend: b})
	ctx, hangUp := context.WithCancel(t.Context())
	res := ask(t, ctx, srv.URL+"/mcp", "POST", modern(1, "hold"), headerVersion, stateless)
	if res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("an answer that does not come begins as %s", res.Header.Get("Content-Type"))
	}
	hangUp()
	if err := <-b.cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("it was cancelled by %v", err)
	}
}
