// Package rpc carries JSON-RPC 2.0 between one client and what handles its
// requests, whatever the transport is.
//
//	p := rpc.NewPeer(rpc.Config{Handler: handle})
//	defer p.Close(ctx)
//	m, refusals := rpc.Parse(data)
//	if refusals != nil {
//		return refusals // to the client
//	}
//	p.Receive(ctx, m, sink)
//
// A [Peer] handles each request on a goroutine of its own, so that none holds up
// another, and hands what belongs to it to the [Sink] that came with it:
// notifications first, the answer last. It bounds the requests in flight, lets each
// be cancelled as soon as it has been received, and remembers in which order
// they came, see [Arrival].
//
// Below a [Handler], [Notify] tells the client something about the request of a
// context, and [Call] asks it something.
package rpc
