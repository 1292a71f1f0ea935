// Package mcp is the face of the server: it offers desktops to a model as tools
// of the Model Context Protocol, and maps each call of a computer-use tool one
// to one onto a [desktop.Action].
//
// A [Server] knows how to make desktops ([Desktops]) and what to boot
// ([Images]); it serves conversations over a transport:
//
//	s, err := mcp.New(mcp.Config{
//		Desktops: mcp.Sandboxes(manager),
//		Images:   images,
//		Version:  version,
//	})
//	if err != nil {
//		return err
//	}
//	return s.ServeStdio(ctx, os.Stdin, os.Stdout)
//
// [Server.ServeHTTP] serves any number of clients instead.
//
// # The life of a call
//
// The arguments are decoded strictly into an Action, in pixels of the picture
// that the model was shown. A wrong argument ends the call here: nothing is
// booted and nothing is pressed. The call then takes its turn on its desktop
// (calls on one desktop run one at a time, in the order in which they arrived),
// the desktop is leased, booted first if the conversation has none, and the
// coordinates are checked against its screen and brought into its pixels. What
// comes back is a sentence for the model, the same as structured content, and a
// picture when the screen is not as the model last saw it.
//
// What a model can mend is a result with isError set, whose text says how.
// Protocol errors are kept for what no model can mend: an unknown tool, a
// message that is no JSON-RPC.
//
// # Conversations
//
// A [Conversation] is one client's run of work: one process over stdio, one
// session over HTTP. It owns the desktops it made, and ends them when it is
// closed; over HTTP those that the client asked for outlive it, and can be named in
// any conversation of the same client. What two of them do on one desktop is
// done in turn. Its first call without a desktop_id boots
// its own desktop; parallel first calls share one boot, and a call that is
// given up does not undo the boot that the next one will want.
package mcp
