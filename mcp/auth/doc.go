// Package auth finds out who makes an HTTP request.
//
//	tokens, err := auth.OpenTokens("/etc/vmette/tokens", log)
//	if err != nil {
//		return err
//	}
//	gate := auth.NewGate(auth.Config{Verifiers: []auth.Verifier{tokens}})
//	mux.Handle("/mcp", gate.Wrap(handler))
//
// A client shows a bearer token (RFC 6750), and only in the Authorization header. A [Verifier]
// knows whose it is: [Tokens] those that the operator wrote into a file,
// [Issuer] the JSON web tokens of an OpenID Connect issuer. What comes of it is
// an [Identity] in the context of the request, see [From]. Tokens are looked at
// here and nowhere else: they are never logged, kept or passed on, and what is
// kept of them is a hash.
//
// Who shows no good token is told with 401 where to get one (RFC 9728). An
// address that shows bad ones again and again is answered with 429, without the cost of
// looking at them; a token that is known to be good is always let in, or looked at, so that a
// client cannot be shut out by another behind the same proxy.
package auth
