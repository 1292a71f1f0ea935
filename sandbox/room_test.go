package sandbox

import (
	"errors"
	"strings"
	"testing"
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

func TestRoomByHost(t *testing.T) {
	r, err := newRoom(0)
	if err != nil {
		t.Fatal(err)
	}
	if mib, err := r.free(); err != nil || mib <= 0 {
		t.Errorf("free memory of this host: %d MiB, %v", mib, err)
	}
}
