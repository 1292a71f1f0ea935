package auth

import (
	"context"
	"errors"
	"net"
)

// Identity is who makes a request. Two requests with the same Identity are made
// by the same client, as far as rights are concerned.
type Identity struct {
	// Name is unique among all verifiers. It is no secret.
	Name string
}

// Local is the identity of every client of a server without authentication.
var Local = Identity{Name: "local"}

// ErrUnknown is what a Verifier answers whose token it is not.
var ErrUnknown = errors.New("the token is not known")

// Verifier knows whose a token is. It must be safe for concurrent use.
type Verifier interface {
	// Recall returns whose token it is if that is known without effort.
	Recall(token string) (Identity, bool)

	// Known reports whether the token was good when it was looked at last, and may
	// be still. It is looked at again whatever else its address has shown.
	Known(token string) bool

	// Verify returns whose token it is. The error matches [ErrUnknown] when it is
	// nobody's, and is another one when that could not be found out.
	Verify(ctx context.Context, token string) (Identity, error)
}

type identityKey struct{}

// With returns a context of requests that id makes.
func With(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// From returns who makes the request of a context.
func From(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	return id, ok
}

// ErrOpen is returned by [CheckListener].
var ErrOpen = errors.New("without authentication the server listens on the loopback address alone: " +
	"listen on 127.0.0.1, or give it tokens or an issuer")

// CheckListener reports an address from which other hosts could reach a server
// that lets everyone in.
func CheckListener(addr net.Addr, authenticated bool) error {
	if authenticated {
		return nil
	}
	switch a := addr.(type) {
	case *net.TCPAddr:
		if a.IP.IsLoopback() {
			return nil
		}
	case *net.UnixAddr:
		return nil
	}
	return ErrOpen
}
