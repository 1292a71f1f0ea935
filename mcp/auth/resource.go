package auth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// WellKnown is where a protected resource describes itself (RFC 9728, section
// 3): with the path of the resource behind it.
const WellKnown = "/.well-known/oauth-protected-resource"

// Resource describes a server to clients that have no token yet.
type Resource struct {
	URL     string   // that clients reach it by, such as "https://desktops.example.com/mcp"
	Issuers []string // whose tokens it takes
}

// Validate reports a URL that clients could not use.
func (r Resource) Validate() error {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not a URL such as https://desktops.example.com/mcp", r.URL)
	}
	return nil
}

// Metadata returns the URL of the description.
func (r Resource) Metadata() string {
	u, err := url.Parse(r.URL)
	if err != nil {
		return ""
	}
	u.Path = WellKnown + u.Path
	return u.String()
}

// ServeHTTP answers with the description.
func (r Resource) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers,omitempty"`
		Methods  []string `json:"bearer_methods_supported"`
		Name     string   `json:"resource_name"`
	}{r.URL, r.Issuers, []string{"header"}, "vmette-mcp"})
}
