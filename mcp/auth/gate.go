package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Config says whom a [Gate] lets in.
type Config struct {
	// Verifiers are asked in turn. Without any, everyone is [Local].
	Verifiers []Verifier

	// Metadata is where clients learn how to get a token, an absolute URL; see
	// [Resource]. With "" they are not told.
	Metadata string

	Logger *slog.Logger // nil discards
}

// Gate lets requests with a good token through. It is safe for concurrent use.
type Gate struct {
	cfg      Config
	log      *slog.Logger
	failures failures
}

// NewGate returns a Gate.
func NewGate(cfg Config) *Gate {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Gate{cfg: cfg, log: cfg.Logger}
}

// Wrap returns a handler that passes requests on to next with the [Identity] of
// who makes them.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := Local
		if len(g.cfg.Verifiers) > 0 {
			var ok bool
			if id, ok = g.admit(w, r); !ok {
				return
			}
		}
		// What is behind the gate has no use for the token.
		r = r.WithContext(With(r.Context(), id))
		r.Header = r.Header.Clone()
		r.Header.Del("Authorization")
		next.ServeHTTP(w, r)
	})
}

// admit finds out who makes a request, and answers it when that is nobody.
func (g *Gate) admit(w http.ResponseWriter, r *http.Request) (Identity, bool) {
	token, given, ok := bearer(r.Header)
	if !given {
		g.challenge(w, "", "this server wants a bearer token in the Authorization header")
		return Identity{}, false
	}
	if !ok {
		g.challenge(w, "invalid_request", "send one Authorization header: Bearer and a token")
		return Identity{}, false
	}
	known := false
	for _, v := range g.cfg.Verifiers {
		if id, ok := v.Recall(token); ok {
			return id, true
		}
		known = known || v.Known(token)
	}
	if wait := g.failures.wait(r.RemoteAddr); wait > 0 && !known {
		retryAfter(w, wait)
		http.Error(w, "too many requests with a wrong token have come from this address", http.StatusTooManyRequests)
		return Identity{}, false
	}
	var broken error
	for _, v := range g.cfg.Verifiers {
		id, err := v.Verify(r.Context(), token)
		if err == nil {
			return id, true
		}
		if !errors.Is(err, ErrUnknown) {
			broken = err
		}
		g.log.Debug("a token was refused", "err", err)
	}
	if broken != nil {
		g.log.Error("a token could not be verified", "err", broken)
		retryAfter(w, issuerTimeout)
		http.Error(w, "the token could not be verified just now: try again", http.StatusServiceUnavailable)
		return Identity{}, false
	}
	g.failures.count(r.RemoteAddr)
	g.challenge(w, "invalid_token", "the token is wrong, has expired, or is not for this server")
	return Identity{}, false
}

func retryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(d.Seconds()))))
}

// challenge answers with 401 and what to do about it (RFC 6750, section 3, and
// RFC 9728, section 5.1).
func (g *Gate) challenge(w http.ResponseWriter, code, why string) {
	params := []string{`realm="vmette-mcp"`}
	if code != "" {
		params = append(params, fmt.Sprintf("error=%q", code), fmt.Sprintf("error_description=%q", why))
	}
	if g.cfg.Metadata != "" {
		params = append(params, fmt.Sprintf("resource_metadata=%q", g.cfg.Metadata))
	}
	w.Header().Set("WWW-Authenticate", "Bearer "+strings.Join(params, ", "))
	http.Error(w, why, http.StatusUnauthorized)
}

// maxToken bounds a token, in bytes.
const maxToken = 16 << 10

// bearer returns the token of a request, whether anything is given for one, and
// whether that is well-formed.
func bearer(h http.Header) (token string, given, ok bool) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", false, false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	ok = len(values) == 1 && strings.EqualFold(scheme, "Bearer") &&
		token != "" && len(token) <= maxToken && !strings.ContainsAny(token, " ,\t")
	return token, true, ok
}
