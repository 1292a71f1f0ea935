package sandbox

import (
	"fmt"
	"sync"
)

// overheadMiB is what a sandbox costs the host beside the memory of its guest:
// the hypervisor's translated code and the picture of the screen.
const overheadMiB = 256

// room is what a host has to give to sandboxes: a number of them, or an amount
// of memory.
type room struct {
	slots  int // 0 means that memory decides
	memory int // MiB

	mu      sync.Mutex
	running int // reserved or running
	used    int // MiB
}

// newRoom returns room for slots sandboxes; for 0, for as many as the host's
// free memory can hold if they use all of theirs.
func newRoom(slots int) (*room, error) {
	if slots > 0 {
		return &room{slots: slots}, nil
	}
	memory, err := availableMiB()
	if err != nil {
		return nil, fmt.Errorf("read the host's free memory: %w; set a capacity instead", err)
	}
	return &room{memory: memory}, nil
}

// take reserves room for a sandbox whose guest has memory MiB.
func (r *room) take(memory int) error {
	need := memory + overheadMiB
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.slots > 0 && r.running >= r.slots:
		return fmt.Errorf("%w: %d of %d are running: close one, or try again later", ErrCapacity, r.running, r.slots)
	case r.slots == 0 && r.used+need > r.memory:
		return fmt.Errorf("%w: %d are running and reserve %d of %d MiB, this one needs %d: close one, give it less memory, or set a capacity",
			ErrCapacity, r.running, r.used, r.memory, need)
	}
	r.running++
	r.used += need
	return nil
}

// give returns what take reserved.
func (r *room) give(memory int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	r.used -= memory + overheadMiB
}
