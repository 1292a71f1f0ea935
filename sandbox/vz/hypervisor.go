package vz

import (
	"context"
	"errors"
	"io"
	"net"
)

// hypervisor is what this package needs of Virtualization.framework.
type hypervisor interface {
	// usable reports why no machine can be had here: an error that matches
	// [sandbox.ErrUnsupported].
	usable() error
	// saves is usable for the saved states of machines.
	saves() error
	// version names the system that a saved state depends on.
	version() string
	// create makes a machine that does not run yet. An error says nothing of the
	// step; it matches [sandbox.ErrInvalidConfig] if the spec is to blame.
	create(s spec) (vm, error)
}

// vm is one machine of the framework. Its calls are made one at a time, except
// for wait, connect and stop. They cannot be given up: each ends when the framework says
// so, as it does in milliseconds, in seconds where memory is saved or restored,
// or, for connect, when it pleases the guest.
type vm interface {
	// identifier is what a machine must have that restores a state of this one.
	identifier() []byte
	// console reads what the guest writes to its console. It ends soon after
	// close; its reader closes it.
	console() io.ReadCloser

	start() error  // boots it
	pause() error  //
	resume() error // lets it go on
	// stop ends it, whatever its guest does. It is no error when it has ended.
	stop() error

	// savable reports why save would fail: an error that matches
	// [sandbox.ErrUnsupported].
	savable() error
	save(path string) error    // writes its state while it is paused
	restore(path string) error // makes it, not started yet, what was saved; it is paused

	// listen accepts what the guest dials at a port of the host. There is at most
	// one listener at a time. Accept fails when the listener is closed.
	listen(port uint32) (net.Listener, error)
	// connect opens a connection to a port of the guest. It may be called by several
	// at once, and never returns if the guest does not answer. The error matches
	// [syscall.ECONNREFUSED] when nobody listens there.
	connect(port uint32) (net.Conn, error)

	// wait returns nil once the machine has stopped, errBroken once the framework
	// has given it up, or the reason why ctx ended. It is called once.
	wait(ctx context.Context) error
	// close frees what the machine holds here. It has ended, or never started. It
	// may be called more than once.
	close()
}

// errBroken is all that is known of a machine that the framework gave up.
var errBroken = errors.New("the machine was given up by Virtualization.framework")
