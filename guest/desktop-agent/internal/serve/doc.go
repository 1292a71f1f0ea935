// Package serve answers the requests of one connection from the host: it runs
// each [desktop.Action] on the desktop and sends back what came of it, with a
// picture of the screen when one was asked for.
//
// Every request has a goroutine. Input actions wait for their turn, which comes
// in the order of their arrival; the others do not wait for anything. What is
// common to all of them is the order of pictures: each frame is the difference
// from the one before, so it is taken and sent under one lock.
//
// [Desk] is where the display is found. It may go away and come back, when the
// X server crashes, while a connection lasts.
package serve
