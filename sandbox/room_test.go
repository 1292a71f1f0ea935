package sandbox

import (
	"errors"
	"strings"
	"testing"
)

func TestRoomOfMemory(t *testing.T) {
	r := &room{memory: 2 * (1000 + overheadMiB)}
	for range 2 {
		if err := r.take(1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.take(1); !errors.Is(err, ErrCapacity) || !strings.Contains(err.Error(), "2 are running and reserve 2512 of 2512 MiB, this one needs 257") {
		t.Errorf("third: got %v, want ErrCapacity with the figures", err)
	}
	r.give(1000)
	if err := r.take(1001); !errors.Is(err, ErrCapacity) {
		t.Errorf("one too large for what came free: got %v, want ErrCapacity", err)
	}
	if err := r.take(1000); err != nil {
		t.Errorf("one that fits: %v", err)
	}
}

func TestRoomByHost(t *testing.T) {
	r, err := newRoom(0)
	if err != nil || r.memory <= 0 {
		t.Errorf("room on this host: %+v, %v", r, err)
	}
}
