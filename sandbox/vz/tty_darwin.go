package vz

import (
	"os"
	"time"
)

// consoleGrace is how long the framework may take to let go of the console of a
// machine that has ended.
const consoleGrace = time.Second

// tty is the console of one machine: two pipes, whose files stay open for as long
// as the machine lives, since the framework uses them by their numbers.
type tty struct {
	guestIn  *os.File // what the guest reads
	input    *os.File // its other end: nobody writes to it, and it must not end
	guestOut *os.File // what the guest writes to
	output   *os.File // its other end, which its reader closes
}

func openTTY() (*tty, error) {
	var t tty
	var err error
	if t.guestIn, t.input, err = os.Pipe(); err != nil {
		return nil, err
	}
	if t.output, t.guestOut, err = os.Pipe(); err != nil {
		t.guestIn.Close()
		t.input.Close()
		return nil, err
	}
	return &t, nil
}

// close has the reader of the console come to its end.
func (t *tty) close() {
	t.guestIn.Close()
	t.input.Close()
	t.guestOut.Close()
	t.output.SetReadDeadline(time.Now().Add(consoleGrace))
}
