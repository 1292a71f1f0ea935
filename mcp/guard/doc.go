// Package guard stands before an HTTP server and turns away what must not reach
// it: requests that a web page makes behind its user's back, bodies that are no
// JSON or too large, and clients that hold connections without using them.
//
//	g, err := guard.New(guard.Config{Hosts: []string{"desktops.example.com"}})
//	if err != nil {
//		return err
//	}
//	srv := g.Server(handler)
//	return srv.Serve(listener)
//
// # Web pages
//
// A server on the loopback address is within reach of every page that its user
// opens. Such a page can be told apart by three things that it cannot forge:
// the Origin that its browser names, the Sec-Fetch-Site that goes with it, and,
// after DNS rebinding, the name under Host. All three are checked, against lists
// and not against patterns; what is not on them is answered with 403. Pages of
// the loopback host itself are let through. No answer ever carries a CORS header, whatever
// the handler behind sets, so that no page can read one either, unless a reverse
// proxy that knows better adds them.
//
// # Memory
//
// A request costs a connection, its header and its body. Connections are
// bounded in number, and when there are too many, one without a request that a
// handler has taken is closed, of the client that has most of those: so one that
// opens thousands is in nobody's way but its own. Headers and bodies are bounded
// in size and in the time they may take, and each write of an answer in the time until it
// is taken.
package guard
