// Package windows lists the windows of an X11 desktop and has its window manager
// change them, in the words of the Extended Window Manager Hints (EWMH) and the
// ICCCM:
//
//	w := windows.Windows{Display: ":0"}
//	open, err := w.List(ctx)
//	now, notice, err := w.Change(ctx, desktop.ChangeWindow{ID: open[0].ID, Do: desktop.WindowMaximize})
//
// A change is done when the desktop shows it: the window manager is asked, and
// what it and the application do about it are events. A window that is
// maximized, minimized or fills the screen is restored before it is moved or
// resized, as a person would have to.
//
// Without a window manager, windows can still be listed, moved, resized, given
// the focus and, if their applications listen, closed.
//
// Each call has a connection of its own to the display that $XAUTHORITY has the
// key to, for as long as it lasts.
package windows
