package sandbox

import (
	"errors"
	"strings"
	"testing"
)

func TestShelfIsAsLargeAsTheDisk(t *testing.T) {
	const reserve = 1000
	free := reserve + 1000
	s := newShelf(10, reserve, "")
	s.free = func() (int, error) { return free, nil }
	first, err := s.take(600)
	if err != nil {
		t.Fatal(err)
	}
	// What the first is about to write counts as free still.
	_, err = s.take(600)
	if !errors.Is(err, ErrNoShelf) || !strings.Contains(err.Error(), "free some of the disk") {
		t.Errorf("a second one: %v, want ErrNoShelf and what to do", err)
	}
	free -= 300 // it took less than it might have
	first.filled()
	second, err := s.take(600)
	if err != nil {
		t.Fatal(err)
	}
	second.leave()
	if _, err := s.take(701); !errors.Is(err, ErrNoShelf) {
		t.Errorf("one that is too large: %v, want ErrNoShelf", err)
	}
}

func TestShelfHasSoManyPlaces(t *testing.T) {
	s := newShelf(1, 0, "")
	s.free = func() (int, error) { return 1 << 20, nil }
	p, err := s.take(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.take(1); !errors.Is(err, ErrNoShelf) || !strings.Contains(err.Error(), "close one") {
		t.Errorf("one too many: %v, want ErrNoShelf and what to do", err)
	}
	p.leave()
	if _, err := s.take(1); err != nil {
		t.Error(err)
	}
}

func TestFreeDisk(t *testing.T) {
	if mib, err := freeDiskMiB(t.TempDir()); err != nil || mib <= 0 {
		t.Errorf("%d MiB, %v", mib, err)
	}
	if _, err := freeDiskMiB(t.TempDir() + "/nothing"); err == nil {
		t.Error("a directory that is not there has a disk")
	}
}
