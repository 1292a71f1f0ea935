package audit

import "sync"

// MaxRecent bounds the entries that [Recent] keeps.
const MaxRecent = 256

// Recent keeps the last entries, and counts all. The zero value is ready for use,
// and safe for concurrent use.
type Recent struct {
	mu     sync.Mutex
	list   []Entry // a ring once it is full
	next   int     // of list, the oldest
	counts Counts
}

// Counts says how much there was.
type Counts struct {
	Allowed, Blocked, Limited uint64
	Sent, Received            uint64 // bytes, from the guest and to it
}

// Count counts an entry without keeping it.
func (r *Recent) Count(e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(e)
}

func (r *Recent) count(e Entry) {
	switch e.Verdict {
	case Allowed:
		r.counts.Allowed++
	case Limited:
		r.counts.Limited++
	default:
		r.counts.Blocked++
	}
	r.counts.Sent += uint64(e.Sent)
	r.counts.Received += uint64(e.Received)
}

// Add adds an entry.
func (r *Recent) Add(e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(e)
	if len(r.list) < MaxRecent {
		r.list = append(r.list, e)
		return
	}
	r.list[r.next] = e
	r.next = (r.next + 1) % MaxRecent
}

// List returns the last entries, oldest first.
func (r *Recent) List() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(append([]Entry(nil), r.list[r.next:]...), r.list[:r.next]...)
}

// Counts returns how much there was so far.
func (r *Recent) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}
