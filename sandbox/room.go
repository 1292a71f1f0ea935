package sandbox

import (
	"errors"
	"fmt"
	"sync"
)

// overheadMiB is what a sandbox costs the host beside the memory of its guest:
// the hypervisor's translated code and the picture of the screen.
const overheadMiB = 256

// room is what a host has to give to sandboxes: a number of them, or the memory
// that is free whenever another one is to start.
type room struct {
	slots     int                 // 0 means that memory decides
	available func() (int, error) // MiB that are free on the host now
	freed     func()              // told when a booking was given back; may be nil

	mu       sync.Mutex
	bookings map[*booking]bool
}

// booking is the part of a room that one sandbox has, booting or running, or that
// something in the making takes beside them.
type booking struct {
	room     *room
	sandbox  bool // takes one of the slots
	mib      int
	resident func() int // how many of them it has taken already; nil for none
}

// newRoom returns room for slots sandboxes; for 0, for as many as the host's
// free memory can hold if they use all of theirs.
func newRoom(slots int) (*room, error) {
	r := &room{slots: slots, available: availableMiB, bookings: make(map[*booking]bool)}
	if slots == 0 {
		if _, err := r.free(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// shortage is an ErrCapacity for want of memory.
type shortage struct {
	mib int // that are missing
	err error
}

func (s *shortage) Error() string { return s.err.Error() }
func (s *shortage) Unwrap() error { return s.err }

// missing returns how much memory an error says that there is too little of, in MiB: 0
// when it is about something else.
func missing(err error) int {
	var s *shortage
	if errors.As(err, &s) {
		return s.mib
	}
	return 0
}

func (r *room) free() (int, error) {
	mib, err := r.available()
	if err != nil {
		return 0, fmt.Errorf("read the host's free memory: %w; set a capacity instead", err)
	}
	return mib, nil
}

// take books room for a sandbox whose guest has memory MiB.
func (r *room) take(memory int) (*booking, error) {
	b := &booking{room: r, sandbox: true, mib: memory + overheadMiB}
	r.mu.Lock()
	defer r.mu.Unlock()
	running := r.sandboxes()
	if r.slots > 0 && running >= r.slots {
		return nil, fmt.Errorf("%w: %d of %d are running: close one, or try again later", ErrCapacity, running, r.slots)
	}
	if r.slots == 0 {
		free, err := r.free()
		if err != nil {
			return nil, err
		}
		if owed := r.owed(); free-owed < b.mib {
			return nil, &shortage{b.mib - (free - owed), fmt.Errorf("%w: this one needs %d MiB of memory, and %d MiB is free, of which the %d running ones may still take %d: "+
				"close one, give it less memory, free some on the host, or set a capacity", ErrCapacity, b.mib, free, running, owed)}
		}
	}
	r.bookings[b] = true
	return b, nil
}

// owed returns how much memory is booked and counts as free nevertheless, as
// its sandbox has not touched it yet. The caller holds mu.
func (r *room) owed() (mib int) {
	for b := range r.bookings {
		mib += b.owed()
	}
	return mib
}

// owed returns how much of the booking is not taken yet. The caller holds room.mu.
func (b *booking) owed() int {
	taken := 0
	if b.resident != nil {
		taken = b.resident()
	}
	return max(b.mib-taken, 0)
}

// sandboxes returns how many there are. The caller holds mu.
func (r *room) sandboxes() (n int) {
	for b := range r.bookings {
		if b.sandbox {
			n++
		}
	}
	return n
}

// weigh has resident, when not nil, say how much of the booking is taken.
func (b *booking) weigh(resident func() int) {
	b.room.mu.Lock()
	defer b.room.mu.Unlock()
	b.resident = resident
}

// resident returns what says how much memory machine has taken: nil when it cannot
// tell.
func resident(machine Machine) func() int {
	if w, ok := machine.(Weigher); ok {
		return w.ResidentMiB
	}
	return nil
}

// hold books memory for a copy of a sandbox, until it is made: from then on it is
// not free any more. A copy that gives more back than it takes, as soon as it is made,
// is passing, and may use what sandboxes have not touched yet. Where slots decide how
// many sandboxes there are, what they may still take is no matter of the room's, but
// a copy of what they have must fit nevertheless.
func (r *room) hold(memory int, passing bool) (*booking, error) {
	b := &booking{room: r, mib: memory}
	r.mu.Lock()
	defer r.mu.Unlock()
	free, err := r.free()
	if err != nil {
		return nil, err
	}
	owed := 0
	for other := range r.bookings {
		if !other.sandbox || r.slots == 0 && !passing {
			owed += other.owed()
		}
	}
	if free-owed < memory {
		return nil, &shortage{memory - (free - owed), fmt.Errorf("%w: a copy of this one takes up to %d MiB of memory, and %d MiB is free, of which %d is promised to what runs: "+
			"drop checkpoints, close a desktop, or free some memory on the host", ErrCapacity, memory, free, owed)}
	}
	r.bookings[b] = true
	return b, nil
}

// cancel gives back what was booked.
func (b *booking) cancel() {
	b.room.mu.Lock()
	delete(b.room.bookings, b)
	b.room.mu.Unlock()
	if b.room.freed != nil {
		b.room.freed()
	}
}
