package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
)

const audience = "https://desktops.example.com/mcp"

// issuer is an OpenID Connect issuer on the loopback address.
type issuer struct {
	url   string
	key   *ecdsa.PrivateKey
	keys  *oidctest.Server
	asked atomic.Int64 // requests
	down  atomic.Bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	i.keys = &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: oidc.ES256}}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		if i.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		i.keys.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	i.keys.SetIssuer(srv.URL)
	i.url = srv.URL
	return i
}

// revoke puts another key in the place of the issuer's, in what it publishes.
func (i *issuer) revoke(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.keys.PublicKeys = []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: oidc.ES256}}
}

// token returns a token with the usual claims, changed by change.
func (i *issuer) token(t *testing.T, key crypto.PrivateKey, change map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": i.url, "aud": audience, "sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(claims, change)
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return oidctest.SignIDToken(key, "k", oidc.ES256, string(b))
}

// verifier returns a verifier of i's tokens that keeps no connection.
func (i *issuer) verifier(t *testing.T) *Issuer {
	t.Helper()
	v, err := NewIssuer(i.url, audience)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	v.client.Transport = transport
	return v
}

func TestIssuer(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	for _, tt := range []struct {
		name, token, want string
	}{
		{"good", i.token(t, i.key, nil), "oidc " + i.url + " alice"},
		{"among several audiences", i.token(t, i.key, map[string]any{"aud": []string{"x", audience}}), "oidc " + i.url + " alice"},
		{"for another server", i.token(t, i.key, map[string]any{"aud": "https://other.example.com"}), ""},
		{"for nobody", i.token(t, i.key, map[string]any{"aud": nil}), ""},
		{"expired", i.token(t, i.key, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), ""},
		{"without an end", i.token(t, i.key, map[string]any{"exp": nil}), ""},
		{"not yet good", i.token(t, i.key, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), ""},
		{"of another issuer", i.token(t, i.key, map[string]any{"iss": "https://evil.com"}), ""},
		{"of nobody", i.token(t, i.key, map[string]any{"sub": ""}), ""},
		{"signed by another", i.token(t, other, nil), ""},
		{"not signed", enc([]byte(`{"alg":"none"}`)) + "." + enc([]byte(`{"iss":"`+i.url+`","aud":"`+audience+`","sub":"alice","exp":9999999999}`)) + ".", ""},
		{"no JWT", "vmette_x", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // the second time from memory
				id, err := v.Verify(t.Context(), tt.token)
				if id.Name != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, ErrUnknown) {
					t.Errorf("it is of %q, %v", id.Name, err)
				}
			}
			if id, ok := v.Recall(tt.token); ok != (tt.want != "") || id.Name != tt.want {
				t.Errorf("it is remembered as of %q, %v", id.Name, ok)
			}
		})
	}
}

// While the issuer is down, clients are told to come back, and it is not asked
// for each of them.
func TestIssuerThatIsDown(t *testing.T) {
	i := newIssuer(t)
	i.down.Store(true)
	v := i.verifier(t)
	g := NewGate(Config{Verifiers: []Verifier{v}})
	for range 3 {
		w := request(t, g, "192.0.2.1:1", "Bearer "+i.token(t, i.key, nil))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("answered %d, %v", w.Code, w.Header())
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
	i.down.Store(false)
	v.retry = time.Time{}
	if w := request(t, g, "192.0.2.1:1", "Bearer "+i.token(t, i.key, nil)); w.Code != http.StatusOK {
		t.Errorf("answered %d once it is up", w.Code)
	}
}

// What is remembered of a token does not outlive it.
func TestIssuerForgets(t *testing.T) {
	v, err := NewIssuer("https://login.example.com", audience)
	if err != nil {
		t.Fatal(err)
	}
	v.remember("expired", Identity{"a"}, time.Now().Add(-time.Second))
	v.remember("good", Identity{"a"}, time.Now().Add(time.Hour))
	if _, ok := v.Recall("expired"); ok {
		t.Error("an expired token is good")
	}
	if _, ok := v.Recall("good"); !ok {
		t.Error("a good token is forgotten")
	}
	for n := range 2 * maxVerified {
		v.remember(string(rune(n)), Identity{"a"}, time.Now().Add(time.Hour))
	}
	if n := len(v.good); n > maxVerified {
		t.Errorf("%d tokens are remembered", n)
	}
}

func TestNewIssuerRefuses(t *testing.T) {
	for _, tt := range []struct{ issuer, audience string }{
		{"", "a"}, {"login.example.com", "a"}, {"https://login.example.com", ""},
	} {
		if _, err := NewIssuer(tt.issuer, tt.audience); err == nil {
			t.Errorf("%+v is taken", tt)
		}
	}
}
