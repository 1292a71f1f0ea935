package vhostvsock

import (
	"errors"
	"fmt"
)

// key names a connection of the guest: its port and the host's.
type key struct{ guest, host uint32 }

// link is one driver's use of the device, from the start of a Serve to its end.
// Everything of it is guarded by the device's lock.
//
// What waits for a receive buffer of the guest is small by design: resets in a
// bounded queue, and connections, each of which knows itself what it has to say.
// Bytes wait with the goroutine that writes them.
type link struct {
	dev *Device
	mem memory // nil until the VMM has told where it is
	rx  queue  // the guest receives on it
	tx  queue  // the guest transmits on it

	conns   map[key]*Conn
	senders fifo[*Conn]  // connections with something to send, each at most once
	resets  fifo[header] // answers to no connection
	stalled bool         // tx waits until resets have gone

	wakeTx func()      // has receive called, soon and by another goroutine
	hangUp func(error) // ends Serve, with the error unless it has ended already

	hdr [headerLen]byte
	rcv [2][]byte
	snd [2][]byte
}

// fail ends a link that its driver has broken.
func (l *link) fail(doing string, err error) {
	l.hangUp(fmt.Errorf("guest broke its vsock device: %s: %w", doing, err))
	l.rx.stop()
	l.tx.stop()
	l.resetConns(errConnReset)
}

// resetConns ends every connection without a word to the guest.
func (l *link) resetConns(err error) {
	for _, c := range l.conns {
		c.gone(err)
	}
	l.senders, l.resets = fifo[*Conn]{}, fifo[header]{}
	l.stalled = false
}

// receive takes packets from the guest, a queueful at most so that nobody waits
// long for the lock, and reports whether there may be more.
func (l *link) receive() (more bool) {
	if !l.tx.live {
		return false
	}
	err := l.receiveBatch(&more)
	if err == nil && l.tx.live {
		err = l.tx.publish()
	}
	if err != nil {
		l.fail("transmit queue", err)
		return false
	}
	l.transmit()
	return more && l.tx.live
}

func (l *link) receiveBatch(more *bool) error {
	for range l.tx.size {
		if l.resets.len() >= l.dev.cfg.MaxResets {
			l.stalled = true
			return nil
		}
		ch, ok, err := l.tx.take(false)
		if err != nil || !ok {
			return err
		}
		if ch.len < headerLen {
			return fmt.Errorf("packet of %d bytes has no room for a header", ch.len)
		}
		l.rcv[0] = l.hdr[:]
		if err := l.read(l.rcv[:1], headerLen, ch.spans); err != nil {
			return fmt.Errorf("read header: %w", err)
		}
		var h header
		h.decode(&l.hdr)
		if uint64(h.len) > ch.len-headerLen {
			return fmt.Errorf("packet of %d bytes claims a payload of %d", ch.len, h.len)
		}
		if err := l.deliver(&h, skip(ch.spans, headerLen)); err != nil {
			return err
		}
		l.tx.finish(ch.head, 0)
	}
	*more = true
	return nil
}

// read copies the first n bytes of src, which stays as it is.
func (l *link) read(dst [][]byte, n uint64, src []span) error {
	last := 0
	for left := n; src[last].len < left; last++ {
		left -= src[last].len
		n -= src[last].len
	}
	whole := src[last].len
	src[last].len = n
	err := l.mem.read(dst, src[:last+1])
	src[last].len = whole
	return err
}

// deliver acts on one packet. Its payload lies in spans, which may be longer.
func (l *link) deliver(h *header, payload []span) error {
	if h.srcCID != l.dev.cfg.GuestCID || h.dstCID != HostCID {
		return nil // not from a socket of this guest, or not to one of this host
	}
	if h.typ != typeStream {
		l.answerReset(h)
		return nil
	}
	c := l.conns[key{h.srcPort, h.dstPort}]
	switch {
	case c != nil:
		return c.deliver(h, payload)
	case h.op == opRequest:
		l.request(h)
	default:
		l.answerReset(h)
	}
	return nil
}

// request answers a guest that wants to connect.
func (l *link) request(h *header) {
	lis := l.dev.listeners[h.dstPort]
	if lis == nil || lis.backlog.len() >= l.dev.cfg.Backlog || len(l.conns) >= l.dev.cfg.MaxConns {
		l.answerReset(h)
		return
	}
	c := l.newConn(key{h.srcPort, h.dstPort}, stateOpen)
	c.credit(h)
	c.say(sayResponse)
	lis.push(c)
}

// answerReset answers a packet of no connection. A reset gets no answer.
func (l *link) answerReset(h *header) {
	if h.op != opReset {
		l.resets.push(h.reset())
	}
}

// transmit sends what waits, as far as the guest has made room for it.
func (l *link) transmit() {
	if !l.rx.live {
		return
	}
	err := l.transmitBatch()
	if err == nil {
		err = l.rx.publish()
	}
	if err != nil {
		l.fail("receive queue", err)
		return
	}
	if l.stalled && l.resets.len() <= l.dev.cfg.MaxResets/2 {
		l.stalled = false
		l.wakeTx()
	}
}

func (l *link) transmitBatch() error {
	for range l.rx.size {
		c := l.nextSender()
		if c == nil && l.resets.len() == 0 {
			return nil
		}
		ch, ok, err := l.rx.take(true)
		if err != nil || !ok {
			return err
		}
		if ch.len < headerLen {
			return fmt.Errorf("receive buffer of %d bytes has no room for a header", ch.len)
		}
		var h header
		var payload []byte
		if l.resets.len() > 0 {
			h = l.resets.pop()
		} else {
			l.senders.pop()
			c.queued = false
			h, payload = c.nextPacket(ch.len - headerLen)
			c.queue()
		}
		h.len = uint32(len(payload))
		h.encode(&l.hdr)
		l.snd = [2][]byte{l.hdr[:], payload}
		n := headerLen + uint64(len(payload))
		err = l.mem.write(trim(ch.spans, n), l.snd[:])
		l.snd[1] = nil
		if err != nil {
			return fmt.Errorf("write packet: %w", err)
		}
		l.rx.finish(ch.head, uint32(n))
	}
	return nil
}

// nextSender returns the connection whose turn it is, or nil.
func (l *link) nextSender() *Conn {
	for l.senders.len() > 0 {
		c := l.senders.front()
		if c.ready() {
			return c
		}
		l.senders.pop()
		c.queued = false
	}
	return nil
}

var errTooManyConns = errors.New("too many connections")
