package vhostvsock

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is a stream between the host and the guest. It is safe for concurrent
// use.
//
// Write returns once the bytes lie in the guest's memory. What the guest sent
// before its end of the stream, or its device, went away may still be read.
// Afterwards Read returns [io.EOF] if the guest had closed in order and an error
// that matches syscall.ECONNRESET otherwise; Write returns one that matches
// syscall.EPIPE or syscall.ECONNRESET. Errors are *[net.OpError]s.
type Conn struct {
	dev  *Device
	link *link
	key  key

	writing sync.Mutex // one writer at a time; taken before the device's lock

	// The rest is guarded by the device's lock.

	state    state
	err      error  // why it is gone
	closed   bool   // Close was called
	done     uint32 // shutReceive, shutSend: what was given up here
	peerDone uint32 // the same of the guest
	words    words
	queued   bool // in the line of senders

	requested bool // the request was sent

	received buffer
	fwd      uint32 // bytes the user has read, modulo 2^32
	fwdTold  uint32 // fwd as the guest knows it

	unsent      []byte // rest of the write in progress
	sent        uint32 // bytes sent, modulo 2^32
	peerAlloc   uint32 // size of the guest's buffer
	peerFwd     uint32 // bytes the guest's user has read, modulo 2^32
	creditAsked bool   // no credit has come since it was asked for

	readable, writable          *sync.Cond
	readDeadline, writeDeadline deadline
	closeTimer                  *time.Timer
}

var _ net.Conn = (*Conn)(nil)

// Read reads what has arrived, or waits for it.
func (c *Conn) Read(p []byte) (int, error) {
	c.dev.mu.Lock()
	defer c.dev.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.opError("read", net.ErrClosed)
		case c.readDeadline.expired:
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case c.received.n > 0:
			n := c.received.read(p)
			c.consumed(n)
			c.link.transmit()
			return n, nil
		case c.peerDone&shutSend != 0:
			return 0, io.EOF
		case c.err != nil:
			return 0, c.opError("read", c.err)
		}
		c.readable.Wait()
	}
}

// Write writes all of p, or returns how much of it the guest has been given and
// why not the rest.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.dev.mu.Lock()
	defer c.dev.mu.Unlock()
	if err := c.writeError(); err != nil {
		return 0, c.opError("write", err)
	}
	c.unsent = p
	c.queue()
	c.link.transmit()
	for len(c.unsent) > 0 {
		if err := c.writeError(); err != nil {
			n := len(p) - len(c.unsent)
			c.unsent = nil
			return n, c.opError("write", err)
		}
		c.writable.Wait()
	}
	c.unsent = nil
	return len(p), nil
}

// writeError returns why nothing can be written.
func (c *Conn) writeError() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.writeDeadline.expired:
		return os.ErrDeadlineExceeded
	case c.done&shutSend != 0 || c.peerDone&shutReceive != 0:
		return syscall.EPIPE
	}
	return c.err
}

// CloseWrite tells the guest that no more will be written: it reads what was
// written, then the end of the stream. A Write in progress fails.
func (c *Conn) CloseWrite() error {
	c.dev.mu.Lock()
	defer c.dev.mu.Unlock()
	switch {
	case c.closed:
		return c.opError("close", net.ErrClosed)
	case c.state == stateGone && c.peerDone != shutBoth:
		return c.opError("close", c.err)
	case c.done&shutSend != 0 || c.state == stateGone:
		return nil
	}
	c.done |= shutSend
	c.say(sayShutdown)
	c.writable.Broadcast()
	c.link.transmit()
	return nil
}

// Close closes both directions and wakes whoever reads or writes. It does not
// wait for the guest, which still reads all that was written. Closing again does
// nothing.
func (c *Conn) Close() error {
	c.dev.mu.Lock()
	defer c.dev.mu.Unlock()
	c.close()
	c.link.transmit()
	return nil
}

// close is Close with the lock held, short of sending.
func (c *Conn) close() {
	if c.closed {
		return
	}
	c.closed = true
	c.received = buffer{}
	c.readDeadline.stop()
	c.writeDeadline.stop()
	if c.state == stateOpen {
		c.state = stateClosing
		c.done = shutBoth
		c.say(sayShutdown)
		c.closeTimer = time.AfterFunc(closeTimeout, func() {
			c.dev.mu.Lock()
			defer c.dev.mu.Unlock()
			c.abort(nil)
			c.link.transmit()
		})
	}
	c.readable.Broadcast()
	c.writable.Broadcast()
}

// LocalAddr returns the host's end, an [Addr].
func (c *Conn) LocalAddr() net.Addr { return Addr{HostCID, c.key.host} }

// RemoteAddr returns the guest's end, an [Addr].
func (c *Conn) RemoteAddr() net.Addr { return Addr{c.dev.cfg.GuestCID, c.key.guest} }

// SetDeadline sets both deadlines. See [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	return c.setDeadline(t, &c.readDeadline, &c.writeDeadline)
}

// SetReadDeadline sets the deadline of Read. See [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.readDeadline) }

// SetWriteDeadline sets the deadline of Write. See [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.writeDeadline) }

func (c *Conn) setDeadline(t time.Time, ds ...*deadline) error {
	c.dev.mu.Lock()
	defer c.dev.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	for _, d := range ds {
		d.reset(t)
	}
	return nil
}

func (c *Conn) opError(op string, err error) error {
	return opError(op, c.LocalAddr(), c.RemoteAddr(), err)
}
