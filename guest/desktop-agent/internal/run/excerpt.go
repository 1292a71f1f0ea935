package run

// excerpt keeps the first and the last half of what is written to it, and
// counts the rest. The zero excerpt keeps nothing; see newExcerpt.
type excerpt struct {
	head, tail []byte // tail is a ring once it is full
	half       int
	next       int // where the ring goes on
	total      int64
}

func newExcerpt(limit int) *excerpt { return &excerpt{half: limit / 2} }

func (e *excerpt) write(b []byte) {
	e.total += int64(len(b))
	if n := min(e.half-len(e.head), len(b)); n > 0 {
		e.head = append(e.head, b[:n]...)
		b = b[n:]
	}
	if len(b) > e.half {
		b = b[len(b)-e.half:]
	}
	if n := min(e.half-len(e.tail), len(b)); n > 0 {
		e.tail = append(e.tail, b[:n]...)
		b = b[n:]
	}
	for len(b) > 0 {
		n := copy(e.tail[e.next:], b)
		b = b[n:]
		e.next = (e.next + n) % e.half
	}
}

// appendTo appends what was kept.
func (e *excerpt) appendTo(b []byte) []byte {
	b = append(b, e.head...)
	b = append(b, e.tail[e.next:]...)
	return append(b, e.tail[:e.next]...)
}
