package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/vmette/vmette-mcp/mcp/guard"
)

// The server goes by the names that the operator said, and no other ones.
func TestHosts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags httpFlags
		hosts map[string]bool
	}{
		{"loopback", httpFlags{HTTP: "127.0.0.1:8808"}, map[string]bool{
			"localhost:8808": true, "127.0.0.1:8808": true, "192.0.2.1:8808": false, "desktops.example.com": false,
		}},
		{"behind a proxy", httpFlags{HTTP: "127.0.0.1:8808", URL: "https://Desktops.example.com:8443/mcp"}, map[string]bool{
			"desktops.example.com": true, "desktops.example.com:8443": true, "evil.example.com": false,
		}},
		{"an address", httpFlags{HTTP: "192.0.2.1:8808"}, map[string]bool{
			"192.0.2.1:8808": true, "localhost": true, "192.0.2.2:8808": false,
		}},
		{"an address of version 6", httpFlags{HTTP: "[2001:db8::1]:8808"}, map[string]bool{
			"[2001:db8::1]:8808": true, "[2001:db8::2]:8808": false,
		}},
		{"a name", httpFlags{HTTP: "desk.lan:8808"}, map[string]bool{"desk.lan:8808": true}},
		{"all addresses", httpFlags{HTTP: "0.0.0.0:8808"}, map[string]bool{
			"0.0.0.0:8808": false, "192.0.2.1:8808": false, "localhost": true,
		}},
		{"all addresses of version 6", httpFlags{HTTP: "[::]:8808"}, map[string]bool{"[::]:8808": false}},
		{"all addresses, and a name", httpFlags{HTTP: ":8808", AllowHost: []string{"desktops.example.com"}}, map[string]bool{
			"desktops.example.com:8808": true, "192.0.2.1:8808": false,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := guard.New(tt.flags.guard())
			if err != nil {
				t.Fatal(err)
			}
			h := g.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			for host, want := range tt.hosts {
				r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
				r.Host = host
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if got := w.Code == http.StatusOK; got != want {
					t.Errorf("as %s it answers %d", host, w.Code)
				}
			}
		})
	}
}
