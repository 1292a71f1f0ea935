// Package clipboard reads and sets what was copied on an X11 desktop, and pastes
// with it. X11 has no clipboard of its own: whoever copies something becomes the
// owner of a selection, and whoever pastes asks the owner for it, in the kind of
// text that it wants. The rules are those of the ICCCM, section 2.
//
//	c := clipboard.New(":0")
//	defer c.Close()
//	err := c.Set(ctx, desktop.Clipboard, "text")
//	text, err := c.Get(ctx, desktop.Clipboard)
//	err = c.Paste(ctx, "text", func() error { return display.Key(ctx, desktop.Key{Keys: "shift+Insert"}) })
//
// What was set is there for as long as this Clipboard is open and nothing else is
// copied; what an application has copied goes with the application. Nothing here
// keeps it longer: that is what clipboard managers are for.
//
// # Paste
//
// A paste makes its text the content of both selections, because programs differ
// in which one Shift+Insert means: terminals the primary one, all others the
// clipboard. It is done when the application that has the keyboard focus has
// fetched the text whole. When nobody comes for it, it is taken back, so that it
// cannot arrive later.
//
// There is one exception. An application that loses the primary selection often
// stops to mark its text, so that a paste would no longer replace it. So the
// primary selection is left to the focused application when that owns it, unless
// it is a terminal.
package clipboard
