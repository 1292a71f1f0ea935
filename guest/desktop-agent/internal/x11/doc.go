// Package x11 drives one X11 desktop: it puts input in through XTEST, looks at
// the screen through MIT-SHM and DAMAGE, and knows when the screen has settled.
//
//	d, err := x11.Open(ctx, ":0", x11.Options{})
//	...
//	defer d.Close()
//	err = d.Click(ctx, desktop.Click{Button: desktop.Left, Count: 1, At: &p})
//	settled, err := d.Settle(ctx, x11.SettleOptions{})
//	frame, payload, err := d.Capture(ctx, nil)
//
// # Input
//
// An input method has validated everything before it presses anything: a key
// that does not exist or a point outside the screen is a [desktop.CodeInvalid]
// error that names the remedy. When the method returns, the X server has
// processed the events, and whatever the action pressed is released again, in
// reverse order, also when it failed or was cancelled. The exception is
// [Display.ButtonDown], which says so. Actions do not interleave.
//
// # Text
//
// Characters of the server's keymap are typed with its own keys. All others go
// through a few keycodes that no keyboard uses: they are given to as many
// characters as fit with one change of the keymap, because every change makes
// every client read the keymap again. What they stand for is left in place for
// the next text. A keycode is given to another character only when the focused
// client is known to have seen the key presses that it meant before.
//
// # Pictures
//
// DAMAGE events mark tiles of the screen. A capture fetches the marked tiles
// only, compares them with a shadow of what the previous capture gave, and
// returns the pixels that really differ. An unchanged screen costs one round
// trip and no pixels.
//
// # Concurrency
//
// All methods may be called from any goroutine. One goroutine drains the
// server's events for as long as the connection lives; Close waits for it.
package x11
