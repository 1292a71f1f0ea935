package sandbox

import (
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

	mu       sync.Mutex
	bookings map[*booking]bool
}

// booking is the part of a room that one sandbox has, booting or running.
type booking struct {
	room     *room
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

func (r *room) free() (int, error) {
	mib, err := r.available()
	if err != nil {
		return 0, fmt.Errorf("read the host's free memory: %w; set a capacity instead", err)
	}
	return mib, nil
}

// take books room for a sandbox whose guest has memory MiB.
func (r *room) take(memory int) (*booking, error) {
	b := &booking{room: r, mib: memory + overheadMiB}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slots > 0 && len(r.bookings) >= r.slots {
		return nil, fmt.Errorf("%w: %d of %d are running: close one, or try again later", ErrCapacity, len(r.bookings), r.slots)
	}
	if r.slots == 0 {
		free, err := r.free()
		if err != nil {
			return nil, err
		}
		if owed := r.owed(); free-owed < b.mib {
			return nil, fmt.Errorf("%w: this one needs %d MiB of memory, and %d MiB is free, of which the %d running ones may still take %d: "+
				"close one, give it less memory, free some on the host, or set a capacity", ErrCapacity, b.mib, free, len(r.bookings), owed)
		}
	}
	r.bookings[b] = true
	return b, nil
}

// owed returns how much memory is booked and counts as free nevertheless, as
// its sandbox has not touched it yet. The caller holds mu.
func (r *room) owed() (mib int) {
	for b := range r.bookings {
		taken := 0
		if b.resident != nil {
			taken = b.resident()
		}
		mib += max(b.mib-taken, 0)
	}
	return mib
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

// spare reports an error unless the host has memory MiB that no sandbox may need.
func (r *room) spare(memory int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	free, err := r.free()
	if err != nil {
		return err
	}
	if owed := r.owed(); r.slots == 0 && free-owed < memory {
		return fmt.Errorf("%w: a copy of this one takes up to %d MiB of memory, and %d MiB is free, of which the %d running sandboxes may still take %d",
			ErrCapacity, memory, free, len(r.bookings), owed)
	}
	return nil
}

// cancel gives back what take booked.
func (b *booking) cancel() {
	b.room.mu.Lock()
	defer b.room.mu.Unlock()
	delete(b.room.bookings, b)
}
