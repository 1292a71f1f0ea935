package guard

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func mustNew(t *testing.T, cfg Config) *Guard {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// careless answers as a library does that wants every page to use it.
var careless = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header()["access-control-allow-headers"] = []string{"*"}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, "cannot read", http.StatusRequestEntityTooLarge)
		return
	}
	_, _ = io.WriteString(w, "done")
})

func TestHostAndOrigin(t *testing.T) {
	g := mustNew(t, Config{Hosts: []string{"Desktops.example.com"}, Origins: []string{"https://agent.example.com"}})
	hosts := map[string]bool{
		"localhost:1234":                true,
		"127.0.0.1:1234":                true,
		"127.0.0.1":                     true,
		"[::1]:1234":                    true,
		"LOCALHOST.":                    true,
		"desktops.example.com":          true,
		"desktops.example.com:443":      true,
		"evil.com":                      false,
		"localhost.evil.com:1234":       false,
		"localhost.evil.com":            false,
		"127.0.0.1.evil.com":            false,
		"sub.desktops.example.com":      false,
		"desktops.example.com.evil.com": false,
		"10.0.0.1":                      false,
		"0.0.0.0:1234":                  false,
		"":                              false,
		"localhost@evil.com":            false,
		"2130706433":                    false,
	}
	origins := []struct {
		name    string
		headers http.Header
		ok      bool
	}{
		{"none", nil, true},
		{"localhost", http.Header{"Origin": {"http://localhost:3000"}}, true},
		{"loopback address", http.Header{"Origin": {"http://127.0.0.1"}}, true},
		{"loopback address 6", http.Header{"Origin": {"https://[::1]:8443"}}, true},
		{"listed", http.Header{"Origin": {"https://agent.example.com"}}, true},
		{"listed, with its port", http.Header{"Origin": {"https://agent.example.com:443"}}, true},
		{"listed, of another scheme", http.Header{"Origin": {"http://agent.example.com"}}, false},
		{"listed, on another port", http.Header{"Origin": {"https://agent.example.com:444"}}, false},
		{"evil", http.Header{"Origin": {"https://evil.com"}}, false},
		{"null", http.Header{"Origin": {"null"}}, false},
		{"empty", http.Header{"Origin": {""}}, false},
		{"localhost.evil.com", http.Header{"Origin": {"http://localhost.evil.com"}}, false},
		{"user of evil.com", http.Header{"Origin": {"http://localhost@evil.com"}}, false},
		{"with a path", http.Header{"Origin": {"http://localhost/"}}, false},
		{"two", http.Header{"Origin": {"http://localhost", "https://evil.com"}}, false},
		{"two good ones", http.Header{"Origin": {"http://localhost", "http://localhost"}}, false},
		{"two in one", http.Header{"Origin": {"http://localhost, http://localhost"}}, false},
		{"unnamed page of another site", http.Header{"Sec-Fetch-Site": {"cross-site"}}, false},
		{"unnamed page of a sibling", http.Header{"Sec-Fetch-Site": {"same-site"}}, false},
		{"a person", http.Header{"Sec-Fetch-Site": {"none"}}, true},
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions} {
		for host, hostOK := range hosts {
			for _, o := range origins {
				r := httptest.NewRequest(method, "/mcp", strings.NewReader("{}"))
				r.Host = host
				for name, values := range o.headers {
					r.Header[name] = values
				}
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				g.Wrap(careless).ServeHTTP(w, r)
				want := http.StatusForbidden
				if hostOK && o.ok {
					want = http.StatusOK
				}
				if w.Code != want {
					t.Errorf("%s, host %q, origin %s: answered %d, want %d", method, host, o.name, w.Code, want)
				}
				noCORS(t, w.Result().Header)
			}
		}
	}
}

func noCORS(t *testing.T, h http.Header) {
	t.Helper()
	for name := range h {
		if strings.HasPrefix(http.CanonicalHeaderKey(name), "Access-Control") {
			t.Errorf("the answer has the header %s", name)
		}
	}
}

func TestNoWayOutForCORS(t *testing.T) {
	for name, out := range map[string]func(w http.ResponseWriter){
		"nothing":     func(http.ResponseWriter) {},
		"write":       func(w http.ResponseWriter) { _, _ = w.Write([]byte("x")) },
		"header":      func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) },
		"flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"controller":  func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() },
		"copy":        func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader("x")) },
		"early hints": func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints); _, _ = w.Write([]byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(mustNew(t, Config{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Access-Control-Allow-Origin", "*")
				out(w)
			})))
			defer srv.Close()
			res, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			noCORS(t, res.Header)
		})
	}
}

func TestContentType(t *testing.T) {
	for _, tt := range []struct {
		header http.Header
		want   int
	}{
		{http.Header{"Content-Type": {"application/json"}}, http.StatusOK},
		{http.Header{"Content-Type": {"application/JSON; charset=UTF-8"}}, http.StatusOK},
		{http.Header{}, http.StatusUnsupportedMediaType},
		{http.Header{"Content-Type": {"text/plain"}}, http.StatusUnsupportedMediaType},
		{http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, http.StatusUnsupportedMediaType},
		{http.Header{"Content-Type": {"application/json; charset=utf-16"}}, http.StatusUnsupportedMediaType},
		{http.Header{"Content-Type": {"application/json, text/plain"}}, http.StatusUnsupportedMediaType},
		{http.Header{"Content-Type": {"application/json", "text/plain"}}, http.StatusUnsupportedMediaType},
		{http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, http.StatusUnsupportedMediaType},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/mcp", strings.NewReader("{}"))
		r.Header = tt.header
		w := httptest.NewRecorder()
		mustNew(t, Config{}).Wrap(careless).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%v: answered %d, want %d", tt.header, w.Code, tt.want)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	var read int64
	var failed error
	h := mustNew(t, Config{}).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		read, failed = io.Copy(io.Discard, r.Body)
	}))
	post := func(size, length int64) int {
		read, failed = 0, nil
		r := httptest.NewRequest(http.MethodPost, "http://localhost/mcp", io.LimitReader(endless{}, size))
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = length
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if code := post(64<<20, 64<<20); code != http.StatusRequestEntityTooLarge || read != 0 {
		t.Errorf("64 MiB that are announced: answered %d after %d bytes", code, read)
	}
	if post(64<<20, -1); read > MaxBody || !errors.As(failed, new(*http.MaxBytesError)) {
		t.Errorf("64 MiB that are not announced: %d bytes and then %v", read, failed)
	}
	if code := post(MaxBody, MaxBody); code != http.StatusOK || read != MaxBody || failed != nil {
		t.Errorf("what is allowed: answered %d, %d bytes and then %v", code, read, failed)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte(" "), len(b))), nil }

func TestNewRefuses(t *testing.T) {
	for _, cfg := range []Config{
		{MaxConnections: -1},
		{Hosts: []string{""}},
		{Hosts: []string{"*"}},
		{Hosts: []string{"*.example.com"}},
		{Hosts: []string{"https://example.com"}},
		{Origins: []string{"*"}},
		{Origins: []string{"null"}},
		{Origins: []string{"example.com"}},
		{Origins: []string{"https://*.example.com"}},
		{Origins: []string{"https://example.com/app"}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"http://localhost", "null", "http://localhost.evil.com", "https://[::1]:1", "http://a@localhost", "http://localhost:80#x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		origin, host, ok := parseOrigin(s)
		if !ok {
			return
		}
		again, sameHost, ok := parseOrigin(strings.TrimSuffix(origin, ":"))
		if !ok || again != origin || sameHost != host {
			t.Errorf("%q is %q of %q, which is %q of %q, %v", s, origin, host, again, sameHost, ok)
		}
	})
}
