// Package launch starts applications and waits for their windows.
//
// A window is the application's when its process is one of those that the command
// has started. An application may also hand over to one that runs already, and
// end: then the next window that anybody opens is taken for it.
package launch
