package transport

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/mcp/rpc"
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

// Who hangs up cannot come back to this stream, but the call goes on for a while, in
// which the client may still cancel it.
func TestSSEHangUp(t *testing.T) {
	b := newBackend()
	tr, srv := serve(t, Config{Backend: b})
	ctx, hangUp := context.WithCancel(t.Context())
	e, _ := events(ask(t, ctx, srv.URL+"/sse", "GET", "").Body)()
	if code := ask(t, t.Context(), srv.URL+e.data, "POST", request(1, "hold")).StatusCode; code != http.StatusAccepted {
		t.Fatalf("a request is answered %d", code)
	}
	<-b.held
	hangUp()
	select {
	case err := <-b.cancelled:
		t.Errorf("the call was cancelled by %v", err)
	default:
	}
	if code := ask(t, t.Context(), srv.URL+e.data, "POST", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`).StatusCode; code != http.StatusAccepted {
		t.Errorf("a client that still knows the session is answered %d", code)
	}
	if err := <-b.cancelled; !errors.Is(err, rpc.ErrCancelled) {
		t.Errorf("it was cancelled by %v", err)
	}
	if n := tr.Sessions(); n != 1 {
		t.Errorf("there are %d sessions", n)
	}
}

// After a while nobody is thought to want what a call does whose stream broke.
// What the client has stays for the grace period.
func TestAbandonedSSE(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		tr := New(Config{Backend: b})
		ctx, hangUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { directTo(ctx, tr, "GET", "/sse", "") })
		synctest.Wait()
		var messages string
		for id := range tr.sessions {
			messages = "/message?sessionId=" + id
		}
		post := func(body string) int { return directTo(t.Context(), tr, "POST", messages, body).Code }
		if code := post(request(1, "hold")); code != http.StatusAccepted {
			t.Fatalf("a request is answered %d", code)
		}
		<-b.held
		time.Sleep(10 * abandoned)
		hangUp()
		wg.Wait()
		begun := time.Now()
		if err := <-b.cancelled; !errors.Is(err, errAbandoned) {
			t.Errorf("it was cancelled by %v", err)
		}
		if after := time.Since(begun); after != abandoned {
			t.Errorf("it was cancelled after %v", after)
		}
		synctest.Wait()
		if code := post(request(2, "echo")); code != http.StatusNotFound {
			t.Errorf("a request whose answer nobody can hear is answered %d", code)
		}
		if n := tr.Sessions(); n != 1 {
			t.Errorf("there are %d sessions", n)
		}
		if err := tr.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Each session is spoken with in the way that it was opened in. A client that
// posts the messages of one to the address of the other is told so, and harms
// nobody.
func TestSessionsOfOtherTransports(t *testing.T) {
	_, srv := serve(t, Config{Backend: newBackend()})
	streamable := open(t, srv.URL)
	next := events(ask(t, t.Context(), srv.URL+"/sse", "GET", "").Body)
	e, _ := next()
	_, legacy, _ := strings.Cut(e.data, "sessionId=")
	for name, res := range map[string]*http.Response{
		"/message": ask(t, t.Context(), srv.URL+"/message?sessionId="+streamable, "POST", request(1, "echo")),
		"POST":     ask(t, t.Context(), srv.URL+"/mcp", "POST", request(1, "echo"), headerSession, legacy),
		"GET":      ask(t, t.Context(), srv.URL+"/mcp", "GET", "", headerSession, legacy),
		"DELETE":   ask(t, t.Context(), srv.URL+"/mcp", "DELETE", "", headerSession, legacy),
	} {
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s is answered %s", name, res.Status)
		}
	}
	ask(t, t.Context(), srv.URL+e.data, "POST", request(2, "echo"))
	if e, ok := next(); !ok || !strings.Contains(e.data, `"id":2`) {
		t.Errorf("after that came %+v, %v", e, ok)
	}
}

// What is sent to a session that nobody has listened to yet is lost, and no more
// than that.
func TestNobodyListens(t *testing.T) {
	closed := false
	o := onListener{new(session), func() { closed = true }}
	o.Send(rpc.Outgoing{Data: []byte("{}")})
	o.Close()
	if !closed {
		t.Error("the request does not end")
	}
}
