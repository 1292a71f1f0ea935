package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Issuer verifies the JSON web tokens of an OpenID Connect issuer: their
// signature, issuer, audience and time.
type Issuer struct {
	url      string
	audience string
	client   *http.Client

	reaching sync.Mutex            // guards what follows, and is held while the issuer is asked
	verifier *oidc.IDTokenVerifier // nil until the issuer has been reached
	failed   error                 // the last attempt to reach it
	retry    time.Time             // when it is asked again after that

	mu   sync.Mutex
	good map[[sha256.Size]byte]verified // by the hash of the token
}

// verified is whose a token is, and until when that is relied on and remembered.
type verified struct {
	id     Identity
	until  time.Time
	expiry time.Time
}

const (
	issuerTimeout = 10 * time.Second // for the issuer to answer
	issuerTrust   = time.Minute      // for which a good token is not looked at again
	maxVerified   = 4096             // good tokens that are remembered
)

// algorithms are the signatures that are taken: none that needs a shared secret.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512,
	oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
}

// NewIssuer returns a verifier of the tokens that the issuer at a URL made for
// audience. The issuer is asked for its keys when the first token comes.
func NewIssuer(issuer, audience string) (*Issuer, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("issuer %q is not a URL such as https://login.example.com", issuer)
	}
	if audience == "" {
		return nil, errors.New("an issuer needs an audience: without it, tokens for any other server would be good here")
	}
	return &Issuer{
		url:      issuer,
		audience: audience,
		client:   &http.Client{Timeout: issuerTimeout},
		good:     make(map[[sha256.Size]byte]verified),
	}, nil
}

// URL returns the URL of the issuer.
func (i *Issuer) URL() string { return i.url }

// Verify returns the subject of the token.
func (i *Issuer) Verify(ctx context.Context, token string) (Identity, error) {
	v, err := i.reach(ctx)
	if err != nil {
		return Identity{}, fmt.Errorf("reach issuer: %w", err)
	}
	t, err := v.Verify(oidc.ClientContext(ctx, i.client), token)
	switch {
	case err != nil:
		i.forget(token)
		return Identity{}, fmt.Errorf("%w: %v", ErrUnknown, err)
	case t.Subject == "":
		return Identity{}, fmt.Errorf("%w: it has no subject", ErrUnknown)
	}
	id := Identity{Name: "oidc " + t.Issuer + " " + t.Subject}
	i.remember(token, id, t.Expiry)
	return id, nil
}

// Recall returns the subject of a token that was verified a moment ago.
func (i *Issuer) Recall(token string) (Identity, bool) {
	v, ok := i.find(token)
	if !ok || !time.Now().Before(v.until) {
		return Identity{}, false
	}
	return v.id, true
}

// Known reports whether a token that has not expired was verified some time ago.
func (i *Issuer) Known(token string) bool {
	_, ok := i.find(token)
	return ok
}

// find returns what is remembered of a token that has not expired.
func (i *Issuer) find(token string) (v verified, ok bool) {
	hash := sha256.Sum256([]byte(token))
	i.mu.Lock()
	defer i.mu.Unlock()
	v, ok = i.good[hash]
	if ok && time.Now().After(v.expiry) {
		delete(i.good, hash)
		ok = false
	}
	return v, ok
}

func (i *Issuer) forget(token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.good, sha256.Sum256([]byte(token)))
}

func (i *Issuer) remember(token string, id Identity, expiry time.Time) {
	now := time.Now()
	v := verified{id, now.Add(issuerTrust), expiry}
	if expiry.Before(v.until) {
		v.until = expiry
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.good) >= maxVerified {
		maps.DeleteFunc(i.good, func(_ [sha256.Size]byte, v verified) bool { return now.After(v.expiry) })
	}
	if len(i.good) >= maxVerified {
		clear(i.good) // they are verified again as they come
	}
	i.good[sha256.Sum256([]byte(token))] = v
}

// reach asks the issuer where its keys are, once. Those who wait for an issuer that
// cannot be reached share one attempt.
func (i *Issuer) reach(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	i.reaching.Lock()
	defer i.reaching.Unlock()
	if i.verifier != nil {
		return i.verifier, nil
	}
	if i.failed != nil && time.Now().Before(i.retry) {
		return nil, i.failed
	}
	// The library keeps the context for as long as it keeps the keys.
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), i.client), i.url)
	if err != nil {
		i.failed, i.retry = err, time.Now().Add(issuerTimeout)
		return nil, err
	}
	i.verifier = p.Verifier(&oidc.Config{ClientID: i.audience, SupportedSigningAlgs: algorithms})
	return i.verifier, nil
}
