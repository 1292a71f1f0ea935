package transport

import (
	"net/http"
	"strings"
	"testing"
)

func TestSSE(t *testing.T) {
	_, srv := serve(t, Config{Backend: newBackend()})
	res := ask(t, t.Context(), srv.URL+"/sse", "GET", "")
	next := events(res.Body)
	e, _ := next()
	if e.name != "endpoint" || !strings.HasPrefix(e.data, "/message?sessionId=") {
		t.Fatalf("the first event is %+v", e)
	}
	post := func(message string, headers ...string) int {
		return ask(t, t.Context(), srv.URL+e.data, "POST", message, headers...).StatusCode
	}
	hear := func(want string) {
		t.Helper()
		if e, ok := next(); !ok || e.name != "message" || e.data != want {
			t.Errorf("heard %+v, %v, want %s", e, ok, want)
		}
	}
	if code := post(request(1, "initialize")); code != http.StatusAccepted {
		t.Errorf("initialize is answered %d", code)
	}
	hear(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}`)
	if code := post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); code != http.StatusAccepted {
		t.Errorf("a notification is answered %d", code)
	}
	post(request(2, "notify 1"))
	hear(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}`)
	hear(`{"jsonrpc":"2.0","id":2,"result":{"sent":1}}`)

	for name, code := range map[string]int{
		"another client":  post(request(3, "echo"), "X-Client", "bob"),
		"another session": ask(t, t.Context(), srv.URL+"/message?sessionId=x", "POST", request(3, "echo")).StatusCode,
	} {
		if code != http.StatusNotFound {
			t.Errorf("%s is answered %d", name, code)
		}
	}
}
