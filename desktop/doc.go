// Package desktop is the language a host and a guest agent speak about one X11
// desktop.
//
// The host sends a [Request] that carries one [Action], such as [Click] or
// [Type]; the agent performs it inside the guest and answers with a [Response].
// Every message is one frame (see [WriteFrame]):
//
//	u32 LE req_id | u32 LE header_len | JSON header | payload
//
// The guest opens the connection and speaks first: its [Hello] names the
// protocol version, the boot token and the screen. From then on the host sends
// requests and the guest answers them; actions that take long may be answered
// out of order, input actions are executed one at a time in order of arrival.
//
// [Actions] is the single table of the vocabulary. The tools of an MCP server,
// the dispatcher of the agent, the golden tests and docs/actions.md are driven
// by it.
//
// [Client] is the host's end. It keeps a [Mirror] of the guest's screen, which
// every response that carries a [Frame] brings up to date, so that a picture
// costs only the pixels that changed.
//
// The package imports the standard library alone, uses no unsafe, and treats
// every byte that comes from the other side as hostile.
package desktop
