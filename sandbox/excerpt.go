package sandbox

// excerpt keeps the beginning and the end of what is written to it: of room bytes the
// first half, or all of it if there is no more.
type excerpt struct {
	room  int
	head  []byte
	tail  []byte // a ring once it is full
	next  int    // where the ring goes on
	total int64  // bytes that were written
}

// Write implements [io.Writer]. It never fails.
func (e *excerpt) Write(p []byte) (int, error) {
	e.total += int64(len(p))
	first, last := e.room-e.room/2, e.room/2
	b := p
	if n := min(first-len(e.head), len(b)); n > 0 {
		e.head, b = append(e.head, b[:n]...), b[n:]
	}
	b = b[max(len(b)-last, 0):]
	if n := min(last-len(e.tail), len(b)); n > 0 {
		e.tail, b = append(e.tail, b[:n]...), b[n:]
	}
	for len(b) > 0 {
		n := copy(e.tail[e.next:], b)
		b, e.next = b[n:], (e.next+n)%last
	}
	return len(p), nil
}

// kept returns what is kept, nil for nothing.
func (e *excerpt) kept() []byte {
	return append(append(e.head[:len(e.head):len(e.head)], e.tail[e.next:]...), e.tail[:e.next]...)
}

// more reports whether more was written than is kept.
func (e *excerpt) more() bool { return e.total > int64(len(e.head)+len(e.tail)) }
