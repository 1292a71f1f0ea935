// Package session is the desktop as a set of programs: an X server, D-Bus, a
// window manager, a panel, and the agent that drives it all. It knows which
// programs of an image take these parts, how each is started, and what each
// waits for:
//
//	x11 ──┬── wm
//	bus ──┼── panel
//	      └── system bus
//	agent (told whenever x11 has started anew)
//
// All of them belong to the desktop's user, and only that user can connect to
// the X server, which listens on no network. The accessibility bus has no part
// here: D-Bus starts it when the first program asks.
package session
