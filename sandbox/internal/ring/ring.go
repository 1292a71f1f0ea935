// Package ring keeps the last of what a machine says: the end of an endless
// stream in bounded memory.
package ring

import "sync"

// Ring keeps the last bytes that were written to it. It is safe for concurrent
// use.
type Ring struct {
	mu   sync.Mutex
	buf  []byte
	next int  // where the next byte goes
	full bool // buf has been filled at least once
}

// New returns a Ring that keeps the last size bytes; size must be positive.
func New(size int) *Ring { return &Ring{buf: make([]byte, size)} }

// Write keeps the last bytes of p. It never fails.
func (r *Ring) Write(p []byte) (int, error) {
	n := len(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(p) >= len(r.buf) {
		r.full = true
		r.next = 0
		p = p[len(p)-len(r.buf):]
	}
	for len(p) > 0 {
		c := copy(r.buf[r.next:], p)
		p = p[c:]
		r.next += c
		if r.next == len(r.buf) {
			r.next = 0
			r.full = true
		}
	}
	return n, nil
}

// Bytes returns a copy of what is kept, oldest first.
func (r *Ring) Bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.full {
		return append([]byte(nil), r.buf[:r.next]...)
	}
	return append(append(make([]byte, 0, len(r.buf)), r.buf[r.next:]...), r.buf[:r.next]...)
}
