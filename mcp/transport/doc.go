// Package transport serves the Model Context Protocol over HTTP, in all its
// revisions: streamable HTTP with sessions (2025-03-26 to 2025-11-25) and
// without (2026-07-28), at one address, and HTTP with SSE (2024-11-05) beside it.
//
//	t := transport.New(transport.Config{Backend: backend})
//	mux.Handle("/mcp", t.Streamable())
//	mux.Handle("/sse", t.SSE("/message"))
//	mux.Handle("/message", t.Messages())
//	...
//	t.Shutdown(ctx)
//
// Who makes a request is in its context, see [auth.From]; a session belongs to
// the identity that opened it, and no other one can tell that it is there.
//
// # Sessions
//
// In the older revisions a session is a conversation. It lives while a request of it
// is handled or one of its streams is open, and for a grace period after
// that, in which its client may come back; after a maximum it ends in any case.
// A client that opens a session for each call and never ends one is no trouble: when it
// has too many, those go first that nothing depends on.
//
// # Streams
//
// What belongs to a request is an ordered log, a stream, which the response to its POST
// reads from. An answer that comes at once and alone is sent as JSON, anything
// else as server-sent events. When the connection breaks, the request goes on,
// and its client may read on where it was (Last-Event-ID) as long as the session
// lives; a request whose answer nobody has come for in a while is cancelled, as is one whose
// answer was to come on a stream of HTTP with SSE that broke.
// Without sessions there is nothing to come back to: there a broken connection
// cancels the request.
//
// # Limits
//
// Each log has a size, each identity its quota. How long a client may take to
// read what it is sent is bounded by package guard.
package transport
