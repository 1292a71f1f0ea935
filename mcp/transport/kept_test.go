package transport

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/mcp/quota"
)

// What is kept of answers is bounded for all sessions of a client together, who
// is not kept from going on by what it may never ask for again; nothing counts
// when the sessions are gone.
func TestAnswersAreBounded(t *testing.T) {
	const most, size = 100_000, 30_000
	book := quota.NewBook(quota.Limits{Kept: most})
	tr, srv := serve(t, Config{Backend: newBackend(), Quota: book})
	echo := func(id int) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"echo","params":{"text":%q}}`, id, strings.Repeat("x", size))
	}
	for range 5 {
		id := open(t, srv.URL)
		for n := range 5 {
			res := ask(t, t.Context(), srv.URL+"/mcp", "POST", echo(n), headerSession, id)
			if got := body(t, res); res.StatusCode != http.StatusOK || len(got) < size {
				t.Errorf("answered %s, with %d bytes", res.Status, len(got))
			}
			if n := kept(tr); n >= most+2*size {
				t.Errorf("%d bytes are kept", n)
			}
		}
	}
	modern := strings.Replace(echo(1), `"text"`, `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"text"`, 1)
	if res := ask(t, t.Context(), srv.URL+"/mcp", "POST", modern, headerVersion, stateless); res.StatusCode != http.StatusOK {
		t.Errorf("without a session it is answered %s", res.Status)
	}

	// As long as too much is being read, nothing more is taken.
	id := open(t, srv.URL)
	alice := book.Of("alice")
	alice.Keep(most)
	res := ask(t, t.Context(), srv.URL+"/mcp", "POST", echo(9), headerSession, id)
	if got := body(t, res); res.StatusCode != http.StatusTooManyRequests || !strings.Contains(got, "bytes of answers that wait to be read") {
		t.Errorf("answered %s: %s", res.Status, got)
	}
	alice.Keep(-most)
	ask(t, t.Context(), srv.URL+"/sse", "GET", "")

	if err := tr.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	alice.Keep(most - 1)
	if alice.Full() {
		t.Error("something counts as kept when nothing is")
	}
}

// kept returns how many bytes all sessions keep.
func kept(tr *Transport) (n int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, s := range tr.sessions {
		s.mu.Lock()
		for _, r := range s.streams {
			n += r.kept()
		}
		s.mu.Unlock()
	}
	return n
}
