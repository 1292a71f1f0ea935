package sandbox

import (
	"errors"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/sandbox/egress"
)

// host is a host with free MiB of memory.
func host(t *testing.T, free *int) *room {
	t.Helper()
	r, err := newRoom(0)
	if err != nil {
		t.Fatal(err)
	}
	r.available = func() (int, error) { return *free, nil }
	return r
}

func book(t *testing.T, r *room, memory int) *booking {
	t.Helper()
	b, err := r.take(memory)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoomCountsWhatIsNotTouchedYet(t *testing.T) {
	free := 2 * (1000 + overheadMiB)
	r := host(t, &free)
	first := book(t, r, 1000)
	book(t, r, 1000)
	const want = "this one needs 257 MiB of memory, and 2512 MiB is free, of which the 2 running ones may still take 2512"
	if _, err := r.take(1); !errors.Is(err, ErrCapacity) || !strings.Contains(err.Error(), want) {
		t.Errorf("third: got %v, want ErrCapacity that says %q", err, want)
	}
	first.cancel()
	if _, err := r.take(1001); !errors.Is(err, ErrCapacity) {
		t.Errorf("one too large for what came free: got %v, want ErrCapacity", err)
	}
	book(t, r, 1000)
}

// What a sandbox has taken already is not free any more, and must not be counted
// twice.
func TestRoomCountsResidentMemoryOnce(t *testing.T) {
	free := 3 * (1000 + overheadMiB)
	r := host(t, &free)
	for range 2 {
		resident := 0
		b := book(t, r, 1000)
		b.weigh(func() int { return resident })
		resident = 1000 + overheadMiB
		free -= resident
	}
	book(t, r, 1000)
	if _, err := r.take(1000); !errors.Is(err, ErrCapacity) {
		t.Errorf("one more than fits: got %v, want ErrCapacity", err)
	}
}

// A sandbox that takes more than was booked for it lends nothing to others.
func TestRoomOwesNothingNegative(t *testing.T) {
	free := 5000
	r := host(t, &free)
	book(t, r, 1000).weigh(func() int { return 4000 })
	free = 1000
	if _, err := r.take(1000); !errors.Is(err, ErrCapacity) {
		t.Errorf("got %v, want ErrCapacity", err)
	}
}

// Whatever else runs on the host counts, whenever it comes or goes.
func TestRoomFollowsTheHost(t *testing.T) {
	free := 0
	r := host(t, &free)
	if _, err := r.take(1000); !errors.Is(err, ErrCapacity) {
		t.Errorf("on a full host: got %v, want ErrCapacity", err)
	}
	free = 1000 + overheadMiB
	book(t, r, 1000)
}

// What a copy is about to take is nobody else's, and what sandboxes may still take is
// not for copies.
func TestRoomHoldsMemoryForCopies(t *testing.T) {
	free := 1000 + overheadMiB + 500
	r := host(t, &free)
	book(t, r, 1000)
	if _, err := r.hold(501, false); !errors.Is(err, ErrCapacity) || !strings.Contains(err.Error(), "drop checkpoints") {
		t.Errorf("a copy that is too large: got %v, want ErrCapacity that says what to do", err)
	}
	copying, err := r.hold(500, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.take(0); !errors.Is(err, ErrCapacity) {
		t.Errorf("a sandbox where a copy is being made: got %v, want ErrCapacity", err)
	}
	passing, err := r.hold(1000, true)
	if err != nil {
		t.Errorf("a copy that is gone again before the sandbox takes what it may: %v", err)
	} else {
		passing.cancel()
	}
	free -= 500 // it is made
	copying.cancel()
	if _, err := r.hold(1, false); !errors.Is(err, ErrCapacity) {
		t.Errorf("after a copy that took all: got %v, want ErrCapacity", err)
	}
}

// A capacity promises sandboxes, not memory: but copies must fit.
func TestRoomOfSlotsHoldsMemoryForCopies(t *testing.T) {
	r, err := newRoom(1)
	if err != nil {
		t.Fatal(err)
	}
	r.available = func() (int, error) { return 500, nil }
	copying, err := r.hold(400, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.hold(400, false); !errors.Is(err, ErrCapacity) {
		t.Errorf("a second copy: got %v, want ErrCapacity", err)
	}
	book(t, r, 1000) // the copy takes no slot
	copying.cancel()
}

func TestRoomByHost(t *testing.T) {
	r, err := newRoom(0)
	if err != nil {
		t.Fatal(err)
	}
	if mib, err := r.free(); err != nil || mib <= 0 {
		t.Errorf("free memory of this host: %d MiB, %v", mib, err)
	}
}

// A guest can have all of its connections full at once.
func TestOverheadHoldsTheNetwork(t *testing.T) {
	if most := egress.DefaultConnections * egress.ConnectionMemory >> 20; most > overheadMiB*3/4 {
		t.Errorf("the connections of a sandbox take up to %d MiB, of %d that are booked beside its guest", most, overheadMiB)
	}
}
