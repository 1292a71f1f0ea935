package auth

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// whoami answers who asks, and fails when the token gets through.
func whoami(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token was passed on")
		}
		id, ok := From(r.Context())
		if !ok {
			t.Error("there is no identity")
		}
		_, _ = io.WriteString(w, id.Name)
	})
}

// request asks a gate, from an address, with the Authorization headers.
func request(t *testing.T, g *Gate, from string, authorization ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
	r.RemoteAddr = from
	r.Header["Authorization"] = authorization
	w := httptest.NewRecorder()
	g.Wrap(whoami(t)).ServeHTTP(w, r)
	return w
}

// tokenFile writes a file of tokens and returns the token of each client.
func tokenFile(t *testing.T, names ...string) (path string, tokens []string) {
	t.Helper()
	var lines []string
	for _, n := range names {
		token, line, err := NewToken(n)
		if err != nil {
			t.Fatal(err)
		}
		tokens, lines = append(tokens, token), append(lines, line)
	}
	path = filepath.Join(t.TempDir(), "tokens")
	write(t, path, strings.Join(lines, "\n"))
	return path, tokens
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func openTokens(t *testing.T, path string) *Tokens {
	t.Helper()
	tokens, err := OpenTokens(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestGate(t *testing.T) {
	path, tokens := tokenFile(t, "alice", "bob")
	g := NewGate(Config{Verifiers: []Verifier{openTokens(t, path)}, Metadata: "https://d.example.com/meta"})
	for _, tt := range []struct {
		name          string
		authorization []string
		want          int
		who           string
		challenge     string
	}{
		{"alice", []string{"Bearer " + tokens[0]}, http.StatusOK, "token alice", ""},
		{"bob", []string{"bearer " + tokens[1]}, http.StatusOK, "token bob", ""},
		{"nobody", nil, http.StatusUnauthorized, "", `Bearer realm="vmette-mcp", resource_metadata="https://d.example.com/meta"`},
		{"wrong", []string{"Bearer " + tokens[0] + "x"}, http.StatusUnauthorized, "", `error="invalid_token"`},
		{"empty", []string{"Bearer "}, http.StatusUnauthorized, "", `error="invalid_request"`},
		{"two headers", []string{"Bearer " + tokens[0], "Bearer " + tokens[0]}, http.StatusUnauthorized, "", `error="invalid_request"`},
		{"two tokens", []string{"Bearer " + tokens[0] + ", Bearer x"}, http.StatusUnauthorized, "", `error="invalid_request"`},
		{"basic", []string{"Basic YWxpY2U6eA=="}, http.StatusUnauthorized, "", `error="invalid_request"`},
		{"endless", []string{"Bearer " + strings.Repeat("x", maxToken+1)}, http.StatusUnauthorized, "", `error="invalid_request"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := request(t, g, "192.0.2.1:1", tt.authorization...)
			if w.Code != tt.want {
				t.Fatalf("answered %d: %s", w.Code, w.Body)
			}
			if tt.want == http.StatusOK && w.Body.String() != tt.who {
				t.Errorf("it is taken for %q", w.Body)
			}
			if got := w.Header().Get("WWW-Authenticate"); !strings.Contains(got, tt.challenge) || (got == "") != (tt.challenge == "") {
				t.Errorf("challenge: %s", got)
			}
		})
	}
}

func TestGateWithoutVerifiersLetsEveryoneIn(t *testing.T) {
	if w := request(t, NewGate(Config{}), "127.0.0.1:1"); w.Code != http.StatusOK || w.Body.String() != Local.Name {
		t.Errorf("answered %d, %s", w.Code, w.Body)
	}
}

// Who shows wrong tokens again and again is not listened to any more; others,
// and those behind the same address whose token is good, are.
func TestWrongTokensAreLimited(t *testing.T) {
	path, tokens := tokenFile(t, "alice")
	g := NewGate(Config{Verifiers: []Verifier{openTokens(t, path)}})
	for i := range failureBurst {
		if w := request(t, g, "192.0.2.1:1", "Bearer guess"); w.Code != http.StatusUnauthorized {
			t.Fatalf("guess %d is answered %d", i, w.Code)
		}
	}
	w := request(t, g, "192.0.2.1:2", "Bearer guess")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" {
		t.Errorf("one guess too many is answered %d, %v", w.Code, w.Header())
	}
	if w := request(t, g, "192.0.2.1:3", "Bearer "+tokens[0]); w.Code != http.StatusOK {
		t.Errorf("the good token is answered %d", w.Code)
	}
	if w := request(t, g, "192.0.2.2:1", "Bearer guess"); w.Code != http.StatusUnauthorized {
		t.Errorf("another address is answered %d", w.Code)
	}
}

// A client whose JSON web token was good is not shut out by another behind the same
// proxy either, although its token is looked at again each minute; and one whose
// token is good no more is.
func TestWrongTokensShutOutNobodyElse(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(t)
	g := NewGate(Config{Verifiers: []Verifier{v}})
	const proxy = "192.0.2.1:1"
	alice := "Bearer " + i.token(t, i.key, nil)
	if w := request(t, g, proxy, alice); w.Code != http.StatusOK {
		t.Fatalf("a good token is answered %d", w.Code)
	}
	guess := func() int {
		for range 2 * failureBurst {
			request(t, g, proxy, "Bearer guess")
		}
		return request(t, g, proxy, "Bearer guess").Code
	}
	if code := guess(); code != http.StatusTooManyRequests {
		t.Fatalf("guesses are answered %d", code)
	}
	v.mistrust()
	asked := i.asked.Load()
	if w := request(t, g, proxy, alice); w.Code != http.StatusOK || w.Body.String() != "oidc "+i.url+" alice" {
		t.Errorf("a minute later the good token is answered %d: %s", w.Code, w.Body)
	}
	if w := request(t, g, proxy, "Bearer "+i.token(t, i.key, map[string]any{"sub": "bob"})); w.Code != http.StatusTooManyRequests {
		t.Errorf("one that was never seen before is answered %d", w.Code)
	}

	i.revoke(t)
	v.mistrust()
	v.verifier = nil // and the keys are asked for again
	if w := request(t, g, proxy, alice); w.Code != http.StatusUnauthorized {
		t.Errorf("once its key is revoked the token is answered %d", w.Code)
	}
	if i.asked.Load() == asked {
		t.Error("the issuer was not asked again")
	}
	if w := request(t, g, proxy, alice); w.Code != http.StatusTooManyRequests {
		t.Errorf("shown again it is answered %d", w.Code)
	}
}

// mistrust has the tokens that are good looked at again, as after a minute.
func (i *Issuer) mistrust() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for hash, v := range i.good {
		v.until = time.Now()
		i.good[hash] = v
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:80":              "192.0.2.1/32",
		"[::ffff:192.0.2.1]:80":     "192.0.2.1/32",
		"[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80":         "fe80::/64",
		"@":                         "invalid Prefix",
	} {
		if got := network(in).String(); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}

func TestTheLogHasNoTokens(t *testing.T) {
	var log strings.Builder
	path, tokens := tokenFile(t, "alice")
	g := NewGate(Config{Verifiers: []Verifier{openTokens(t, path)}, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	request(t, g, "192.0.2.1:1", "Bearer "+tokens[0])
	request(t, g, "192.0.2.1:1", "Bearer secretguess")
	if s := log.String(); strings.Contains(s, tokens[0]) || strings.Contains(s, "secretguess") {
		t.Errorf("the log says %s", s)
	}
}

func TestCheckListener(t *testing.T) {
	for _, tt := range []struct {
		addr          net.Addr
		authenticated bool
		ok            bool
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, false, true},
		{&net.TCPAddr{IP: net.IPv6loopback}, false, true},
		{&net.TCPAddr{IP: net.IPv4zero}, false, false},
		{&net.TCPAddr{IP: net.IPv6zero}, false, false},
		{&net.TCPAddr{IP: net.IPv4(192, 168, 1, 2)}, false, false},
		{&net.TCPAddr{}, false, false},
		{&net.TCPAddr{IP: net.IPv4zero}, true, true},
		{&net.UnixAddr{Name: "sock"}, false, true},
		{&net.IPAddr{IP: net.IPv6loopback}, false, false},
	} {
		if err := CheckListener(tt.addr, tt.authenticated); (err == nil) != tt.ok {
			t.Errorf("%v, authenticated %v: %v", tt.addr, tt.authenticated, err)
		}
	}
}

func TestResource(t *testing.T) {
	r := Resource{URL: "https://d.example.com/mcp", Issuers: []string{"https://login.example.com"}}
	if got, want := r.Metadata(), "https://d.example.com/.well-known/oauth-protected-resource/mcp"; got != want {
		t.Errorf("metadata is at %s, want %s", got, want)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, nil)
	const want = `{"resource":"https://d.example.com/mcp","authorization_servers":["https://login.example.com"],"bearer_methods_supported":["header"],"resource_name":"vmette-mcp"}` + "\n"
	if got := w.Body.String(); got != want {
		t.Errorf("it is %s", got)
	}
	for _, bad := range []string{"", "d.example.com/mcp", "https://", "https://u@d/", "https://d/?x=1", "file:///x"} {
		if (Resource{URL: bad}).Validate() == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
