// Package oracle has four applications that tell what they see: a page in
// Chromium, a GTK 3 program, a Qt 5 program, and a program in an xterm. What an
// action does is checked by asking the application that it was meant for, on
// the host's own X server and in a guest alike.
//
//	app, err := oracle.Start(ctx, oracle.Local{Display: ":7"}, oracle.GTK, oracle.Options{Screen: size})
//	...
//	defer app.Close()
//	err = do(ctx, desktop.Click{Button: desktop.Left, Count: 1, At: &at})
//	seen, err := app.Fence(ctx, do) // everything it has seen since the last Fence
//
// All four cover the screen and have the same [Layout]: two text fields, a
// thing to be dragged, and a place to drop it on; the rest is empty. Each is a
// Python program that writes a line of JSON for each event, as its toolkit
// delivers it, before any widget acts on it.
//
// # Fences
//
// Nothing waits for a time to pass. A fence is a key that is pressed like any
// other input: when the application reports it, all input before it has been
// seen. What applications pass on out of turn, such as the turns of a wheel, a
// caller waits for with [App.Next].
package oracle
