package vhostvsock

import (
	"sync"
	"syscall"
	"time"
)

// This file is the state of a connection as the protocol sees it. All of it is
// guarded by the device's lock. conn.go is what its user sees.

type state uint8

const (
	stateConnecting state = iota // a request of ours was not answered yet
	stateOpen                    // bytes may flow
	stateClosing                 // closed here; the guest's reset is still to come
	stateGone                    // in no table any more
)

// words are what a connection has to tell the guest besides its bytes.
type words uint8

const (
	sayRequest words = 1 << iota
	sayResponse
	sayCreditUpdate
	sayCreditRequest
	sayShutdown
)

// maxPayload is the longest packet that Linux takes.
const maxPayload = 64 << 10

// creditStep is how much a user reads before the guest is told. Linux stalls
// when it is told much later.
const creditStep = 64 << 10

// closeTimeout is how long the guest has to answer a close with a reset, the
// same that Linux gives.
const closeTimeout = 8 * time.Second

// What users are told when the guest resets, or its link ends.
const (
	errConnReset   = syscall.ECONNRESET
	errConnRefused = syscall.ECONNREFUSED
)

func (l *link) newConn(k key, s state) *Conn {
	d := l.dev
	c := &Conn{dev: d, link: l, key: k, state: s}
	c.readable = sync.NewCond(&d.mu)
	c.writable = sync.NewCond(&d.mu)
	c.readDeadline.cond = c.readable
	c.writeDeadline.cond = c.writable
	l.conns[k] = c
	return c
}

// gone takes c out of its link. What it has received may still be read; then
// its user sees err.
func (c *Conn) gone(err error) {
	if c.state == stateGone {
		return
	}
	c.state = stateGone
	c.err = err
	delete(c.link.conns, c.key)
	if c.queued {
		// A guest that takes no packets could leave any number of them behind.
		c.queued = false
		c.link.senders.remove(c)
	}
	if c.closeTimer != nil {
		c.closeTimer.Stop()
	}
	c.readable.Broadcast()
	c.writable.Broadcast()
}

// abort ends c with a reset to the guest.
func (c *Conn) abort(err error) {
	if c.state == stateGone {
		return
	}
	c.link.resets.push(header{
		srcCID: HostCID, dstCID: c.dev.cfg.GuestCID,
		srcPort: c.key.host, dstPort: c.key.guest,
		typ: typeStream, op: opReset,
	})
	c.gone(err)
}

// deliver acts on a packet of c.
func (c *Conn) deliver(h *header, payload []span) error {
	c.credit(h)
	switch c.state {
	case stateConnecting:
		switch h.op {
		case opResponse:
			c.state = stateOpen
			c.writable.Broadcast()
		case opReset:
			c.gone(errConnRefused)
		default:
			c.abort(errConnReset)
		}
	case stateOpen:
		switch h.op {
		case opData:
			return c.data(h, payload)
		case opShutdown:
			c.shutdown(h.flags)
		case opCreditUpdate:
		case opCreditRequest:
			c.say(sayCreditUpdate)
		case opReset:
			c.gone(errConnReset)
		default:
			c.abort(errConnReset)
		}
	case stateClosing:
		switch {
		case h.op == opReset:
			c.gone(nil)
		case h.op == opShutdown && h.flags&shutBoth == shutBoth:
			c.abort(nil) // both have closed at once, and either waits for a reset
		}
	}
	return nil
}

// data receives bytes. A guest that sends more than its credit is reset.
func (c *Conn) data(h *header, payload []span) error {
	n := int(h.len)
	if n == 0 {
		return nil
	}
	if c.peerDone&shutSend != 0 || n > c.dev.cfg.BufferSize-c.received.n {
		c.abort(errConnReset)
		return nil
	}
	l := c.link
	l.rcv[0], l.rcv[1] = c.received.space(n)
	err := l.read(l.rcv[:], uint64(n), payload)
	l.rcv = [2][]byte{}
	if err != nil {
		return err
	}
	c.received.commit(n)
	c.readable.Broadcast()
	return nil
}

// shutdown notes what the guest will not do any more. Once it does neither it
// waits for a reset; bytes that it sent before are kept for the user.
func (c *Conn) shutdown(flags uint32) {
	c.peerDone |= flags & shutBoth
	if c.peerDone == shutBoth {
		c.abort(errConnReset)
		return
	}
	c.readable.Broadcast()
	c.writable.Broadcast()
}

// credit notes how much the guest can take.
func (c *Conn) credit(h *header) {
	if h.bufAlloc != c.peerAlloc || h.fwdCnt != c.peerFwd {
		c.peerAlloc, c.peerFwd = h.bufAlloc, h.fwdCnt
		c.creditAsked = false
		c.queue()
	}
}

// room is how many bytes the guest can take, 0 when it contradicts itself.
func (c *Conn) room() uint32 {
	inFlight := c.sent - c.peerFwd
	if inFlight >= c.peerAlloc {
		return 0
	}
	return c.peerAlloc - inFlight
}

// consumed counts n bytes that the user has read. The guest is told after a
// quarter of the smaller buffer, since it may hold back what its own could not.
func (c *Conn) consumed(n int) {
	c.fwd += uint32(n)
	step := min(creditStep, uint32(c.dev.cfg.BufferSize)/4, max(c.peerAlloc/4, 1))
	if c.state == stateOpen && c.peerDone&shutSend == 0 && c.fwd-c.fwdTold >= step {
		c.say(sayCreditUpdate)
	}
}

// say has w sent as soon as there is room.
func (c *Conn) say(w words) {
	c.words |= w
	c.queue()
}

// queue puts c in the line of senders when it has something to send.
func (c *Conn) queue() {
	if !c.queued && c.ready() {
		c.queued = true
		c.link.senders.push(c)
	}
}

// ready reports whether c has something to send. A connection that has run out
// of credit asks for it once.
func (c *Conn) ready() bool {
	if c.words != 0 {
		return c.state != stateGone
	}
	if len(c.unsent) == 0 || c.state != stateOpen {
		return false
	}
	if c.room() == 0 {
		if c.creditAsked {
			return false
		}
		c.creditAsked = true
		c.words |= sayCreditRequest
	}
	return true
}

// nextPacket returns what c, which is ready, sends next, in up to limit bytes of
// payload. What opens a connection goes first, what ends it goes last.
func (c *Conn) nextPacket(limit uint64) (header, []byte) {
	h := header{
		srcCID: HostCID, dstCID: c.dev.cfg.GuestCID,
		srcPort: c.key.host, dstPort: c.key.guest,
		typ:      typeStream,
		bufAlloc: uint32(c.dev.cfg.BufferSize),
		fwdCnt:   c.fwd,
	}
	c.fwdTold = c.fwd
	switch {
	case c.words&sayRequest != 0:
		c.words &^= sayRequest
		c.requested = true
		h.op = opRequest
	case c.words&sayResponse != 0:
		c.words &^= sayResponse | sayCreditUpdate
		h.op = opResponse
	case len(c.unsent) > 0 && c.state == stateOpen && c.room() > 0 && limit > 0:
		c.words &^= sayCreditUpdate
		h.op = opData
		n := min(uint64(len(c.unsent)), uint64(c.room()), limit, maxPayload)
		p := c.unsent[:n]
		c.unsent = c.unsent[n:]
		c.sent += uint32(n)
		if len(c.unsent) == 0 {
			c.writable.Broadcast()
		}
		return h, p
	case c.words&sayCreditRequest != 0:
		c.words &^= sayCreditRequest
		h.op = opCreditRequest
	case c.words&sayShutdown != 0:
		c.words &^= sayShutdown | sayCreditUpdate
		h.op = opShutdown
		h.flags = c.done
	default:
		c.words &^= sayCreditUpdate
		h.op = opCreditUpdate
	}
	return h, nil
}
