package vhostvsock

// buffer is a ring of bytes that grows as it is filled. The zero value is empty.
type buffer struct {
	data  []byte // a power of two long, or nil
	start int    // of the oldest byte
	n     int    // bytes held
}

const minBuffer = 4 << 10

// space returns where the next n bytes belong, in order: the second slice is
// what goes round to the front of the ring. The caller bounds n, fills both and
// calls commit.
func (b *buffer) space(n int) (first, second []byte) {
	if need := b.n + n; need > len(b.data) {
		size := max(minBuffer, len(b.data))
		for size < need {
			size *= 2
		}
		data := make([]byte, size)
		b.peek(data)
		b.data, b.start = data, 0
	}
	end := (b.start + b.n) & (len(b.data) - 1)
	first = b.data[end:min(end+n, len(b.data))]
	return first, b.data[:n-len(first)]
}

// commit adds the n bytes that space made room for.
func (b *buffer) commit(n int) { b.n += n }

// read moves the oldest bytes to p and returns how many there were.
func (b *buffer) read(p []byte) int {
	n := b.peek(p)
	b.n -= n
	if b.n == 0 {
		b.start = 0
	} else {
		b.start = (b.start + n) & (len(b.data) - 1)
	}
	return n
}

func (b *buffer) peek(p []byte) int {
	p = p[:min(len(p), b.n)]
	n := copy(p, b.data[b.start:])
	copy(p[n:], b.data)
	return len(p)
}
