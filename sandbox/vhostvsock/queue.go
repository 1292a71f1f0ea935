package vhostvsock

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxQueueSize bounds a ring, and with it the descriptors of a chain, so that a
// chain fits in one vectored copy.
const maxQueueSize = 512

const (
	descLen = 16 // struct virtq_desc
	elemLen = 8  // struct virtq_used_elem

	descNext     = 1 << 0
	descWrite    = 1 << 1
	descIndirect = 1 << 2

	availNoInterrupt = 1 << 0
)

// queue is the device's side of a split virtqueue (VIRTIO 1.2, 2.7). It takes
// chains in batches: one read for the index, one for the batch's heads and the
// whole descriptor table, which is small; nothing of what was read is read again.
//
// Its zero value is stopped. Everything is guarded by the device's lock.
type queue struct {
	mem               memory
	size              uint16 // entries, a power of two
	desc, avail, used uint64 // guest-physical addresses of the three parts

	live     bool   // started and enabled
	next     uint16 // available index of the next chain to take
	usedNext uint16 // used index of the next chain to give back
	notify   func() // interrupts the guest

	table []byte // the descriptor table as of the last batch
	heads []byte // heads of the last batch that were not taken yet
	elems []byte // used elements that were not published yet

	headBuf []byte
	spans   []span
	word    [4]byte
	bufs    [3][]byte
	at      [3]span
}

// chain is one buffer of the guest. Its spans are good until the next take.
type chain struct {
	head  uint16
	spans []span
	len   uint64 // sum of the spans
}

var errStopped = errors.New("queue is stopped")

// start makes q work on the rings at desc, avail and used, from the available
// index next on.
func (q *queue) start(mem memory, size uint16, desc, avail, used uint64, next uint16) error {
	q.stop()
	q.mem, q.size = mem, size
	q.desc, q.avail, q.used = desc, avail, used
	q.next = next
	q.table = make([]byte, descLen*int(size))
	q.headBuf = make([]byte, 2*int(size))
	q.elems = make([]byte, 0, elemLen*int(size))
	q.spans = make([]span, 0, size)
	if err := q.read1(q.word[:2], q.used+2); err != nil {
		return fmt.Errorf("read used index: %w", err)
	}
	q.usedNext = binary.LittleEndian.Uint16(q.word[:])
	q.live = true
	return nil
}

// stop forgets what was not taken. All that was taken has been published.
func (q *queue) stop() {
	q.live = false
	q.heads = nil
}

// take returns the guest's next buffer, which must be for the device to write
// or to read, throughout. It returns false when there is none.
func (q *queue) take(writable bool) (chain, bool, error) {
	if !q.live {
		return chain{}, false, errStopped
	}
	if len(q.heads) == 0 {
		if err := q.fetch(); err != nil {
			return chain{}, false, err
		}
		if len(q.heads) == 0 {
			return chain{}, false, nil
		}
	}
	head := binary.LittleEndian.Uint16(q.heads)
	c, err := q.walk(head, writable)
	if err != nil {
		return chain{}, false, err
	}
	q.heads = q.heads[2:]
	q.next++
	return c, true, nil
}

// fetch reads the next batch, which may be empty.
func (q *queue) fetch() error {
	if err := q.read1(q.word[:2], q.avail+2); err != nil {
		return fmt.Errorf("read available index: %w", err)
	}
	n := binary.LittleEndian.Uint16(q.word[:]) - q.next
	if n == 0 {
		return nil
	}
	if n > q.size {
		return fmt.Errorf("available index is %d ahead in a queue of %d", n, q.size)
	}
	first := q.next & (q.size - 1)
	atEnd := min(n, q.size-first)
	heads := q.headBuf[:2*int(n)]
	q.bufs = [3][]byte{heads, q.table}
	q.at = [3]span{
		{q.avail + 4 + 2*uint64(first), 2 * uint64(atEnd)},
		{q.avail + 4, 2 * uint64(n-atEnd)},
		{q.desc, uint64(len(q.table))},
	}
	if err := q.mem.read(q.bufs[:2], q.at[:3]); err != nil {
		return fmt.Errorf("read available ring: %w", err)
	}
	q.heads = heads
	return nil
}

// walk follows the chain that starts at head through the table.
func (q *queue) walk(head uint16, writable bool) (chain, error) {
	c := chain{head: head, spans: q.spans[:0]}
	for i, n := head, 0; ; n++ {
		if i >= q.size {
			return chain{}, fmt.Errorf("descriptor %d in a queue of %d", i, q.size)
		}
		if n == int(q.size) {
			return chain{}, fmt.Errorf("descriptor chain at %d has a loop", head)
		}
		d := q.table[descLen*int(i):][:descLen]
		s := span{binary.LittleEndian.Uint64(d), uint64(binary.LittleEndian.Uint32(d[8:]))}
		flags := binary.LittleEndian.Uint16(d[12:])
		if flags&descIndirect != 0 {
			return chain{}, fmt.Errorf("descriptor %d is indirect, which was not offered", i)
		}
		if (flags&descWrite != 0) != writable {
			return chain{}, fmt.Errorf("descriptor %d has the wrong direction", i)
		}
		if s.len > 0 {
			c.spans = append(c.spans, s)
			c.len += s.len
		}
		if flags&descNext == 0 {
			return c, nil
		}
		i = binary.LittleEndian.Uint16(d[14:])
	}
}

// finish gives a chain back with n bytes written to it. The guest learns of it
// by publish.
func (q *queue) finish(head uint16, n uint32) {
	q.elems = binary.LittleEndian.AppendUint32(q.elems, uint32(head))
	q.elems = binary.LittleEndian.AppendUint32(q.elems, n)
}

// publish makes visible what was finished and interrupts the guest unless it
// asked not to be. At most size chains are finished between two calls.
func (q *queue) publish() error {
	n := uint16(len(q.elems) / elemLen)
	if n == 0 {
		return nil
	}
	first := q.usedNext & (q.size - 1)
	atEnd := min(n, q.size-first)
	q.bufs[0] = q.elems
	q.at[0] = span{q.used + 4 + elemLen*uint64(first), elemLen * uint64(atEnd)}
	q.at[1] = span{q.used + 4, elemLen * uint64(n-atEnd)}
	if err := q.mem.write(q.at[:2], q.bufs[:1]); err != nil {
		return fmt.Errorf("write used ring: %w", err)
	}
	q.elems = q.elems[:0]
	q.usedNext += n
	binary.LittleEndian.PutUint16(q.word[:], q.usedNext)
	q.bufs[0] = q.word[:2]
	q.at[0] = span{q.used + 2, 2}
	if err := q.mem.write(q.at[:1], q.bufs[:1]); err != nil {
		return fmt.Errorf("write used index: %w", err)
	}
	if err := q.read1(q.word[:2], q.avail); err != nil {
		return fmt.Errorf("read available flags: %w", err)
	}
	if binary.LittleEndian.Uint16(q.word[:])&availNoInterrupt == 0 {
		q.notify()
	}
	return nil
}

// read1 fills p from one place.
func (q *queue) read1(p []byte, addr uint64) error {
	q.bufs[0] = p
	q.at[0] = span{addr, uint64(len(p))}
	return q.mem.read(q.bufs[:1], q.at[:1])
}
