package guard

import (
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// MaxBody is how many bytes a request body may have.
const MaxBody = 4 << 20

// Config says what a [Guard] lets through. The zero value serves the loopback
// host alone.
type Config struct {
	// Hosts are the names and addresses that clients reach the server by, such
	// as "desktops.example.com", beside those of the loopback host. A port is not
	// part of them.
	Hosts []string

	// Origins are the web pages that may make requests, such as
	// "https://agent.example.com", beside those of the loopback host.
	Origins []string

	// MaxConnections is how many connections are held at once; 0 means 1024.
	MaxConnections int
}

// Guard decides about requests. It is safe for concurrent use.
type Guard struct {
	hosts          map[string]bool
	origins        map[string]bool
	maxConnections int
}

// New returns a Guard, or says which entry of cfg is wrong.
func New(cfg Config) (*Guard, error) {
	g := &Guard{
		hosts:          make(map[string]bool),
		origins:        make(map[string]bool),
		maxConnections: cfg.MaxConnections,
	}
	switch {
	case g.maxConnections < 0:
		return nil, fmt.Errorf("%d connections are too few: send 0 or more", g.maxConnections)
	case g.maxConnections == 0:
		g.maxConnections = 1024
	}
	for _, h := range cfg.Hosts {
		name := hostName(h)
		if name == "" || strings.ContainsAny(h, "/*@ ") {
			return nil, fmt.Errorf("host %q is not a name or an address such as desktops.example.com", h)
		}
		g.hosts[name] = true
	}
	for _, o := range cfg.Origins {
		origin, _, ok := parseOrigin(o)
		if !ok {
			return nil, fmt.Errorf("origin %q is not one such as https://agent.example.com", o)
		}
		g.origins[origin] = true
	}
	return g, nil
}

// Wrap returns a handler that passes on to next what is let through. The body
// of a request that comes through fails with an [*http.MaxBytesError] beyond
// [MaxBody], and with an [os.ErrDeadlineExceeded] when it takes too long.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sealed := seal(w)
		defer sealed.begin() // for an answer that nothing was written of, and for what is not sent yet
		if status, why := g.refuse(r); status != 0 {
			http.Error(sealed, why, status)
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = hurry(w, http.MaxBytesReader(w, r.Body, MaxBody))
		}
		next.ServeHTTP(sealed, r)
	})
}

// refuse returns with what status a request is refused, and why; 0 means not.
func (g *Guard) refuse(r *http.Request) (status int, why string) {
	if !g.knows(r.Host) {
		return http.StatusForbidden, "this server does not go by the name in Host: add it to the list of hosts"
	}
	if !g.welcomes(r) {
		return http.StatusForbidden, "web pages of this origin may not use this server: add it to the list of origins"
	}
	if r.Method != http.MethodPost {
		return 0, ""
	}
	if !isJSON(r.Header) {
		return http.StatusUnsupportedMediaType, "send Content-Type: application/json, in UTF-8 and not compressed"
	}
	if r.ContentLength > MaxBody {
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes: send less at once", MaxBody)
	}
	return 0, ""
}

// knows reports whether the server goes by the name under Host.
func (g *Guard) knows(host string) bool {
	name := hostName(host)
	return isLoopback(name) || g.hosts[name]
}

// welcomes reports whether what made the request is no web page, or one that
// may make it.
func (g *Guard) welcomes(r *http.Request) bool {
	switch origins := r.Header.Values("Origin"); len(origins) {
	case 0:
		// A browser that names no origin still says where a request comes from:
		// "none" is a person who typed the address.
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin":
			return true
		}
		return false
	case 1:
		origin, host, ok := parseOrigin(origins[0])
		return ok && (isLoopback(host) || g.origins[origin])
	}
	return false
}

// isJSON reports whether a body is JSON by its header.
func isJSON(h http.Header) bool {
	types := h.Values("Content-Type")
	if len(types) != 1 || h.Get("Content-Encoding") != "" {
		return false
	}
	media, params, err := mime.ParseMediaType(types[0])
	if err != nil || media != "application/json" {
		return false
	}
	charset := params["charset"]
	return charset == "" || strings.EqualFold(charset, "utf-8")
}

// hostName returns the name in "name", "name:port", "[::1]:port" or "::1" in the one
// way that it is compared in.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// isLoopback reports whether a name means the host itself. Names are not looked
// up: who may answer for a name is what DNS rebinding is about.
func isLoopback(name string) bool {
	if name == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}

// parseOrigin returns an origin (RFC 6454, section 6.2) in the one way that it
// is compared in, and the name of its host. The origin "null" is none.
func parseOrigin(s string) (origin, host string, ok bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#") {
		return "", "", false
	}
	host = hostName(u.Host)
	port := u.Port()
	if port == map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		port = ""
	}
	if host == "" || strings.ContainsAny(host, "*% ") {
		return "", "", false
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port), host, true
}
