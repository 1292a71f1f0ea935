package sandbox

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// DefaultSuspended is how many sandboxes are suspended at a time at most.
const DefaultSuspended = 32

// DefaultDiskReserveMiB is what suspended sandboxes leave free of the disk, for what
// runs.
const DefaultDiskReserveMiB = 1 << 10

// ErrNoShelf reports a sandbox that is not suspended, as there is no place for it on
// the disk.
var ErrNoShelf = errors.New("no room for another suspended sandbox")

// shelf is where suspended sandboxes are: a number of places on a disk.
type shelf struct {
	places  int
	reserve int                         // MiB of the disk that stay free
	free    func() (mib int, err error) // on the disk

	mu    sync.Mutex
	taken map[*place]bool
}

// place is that of one sandbox.
type place struct {
	shelf  *shelf
	coming int // MiB at most that are still to be written
}

// newShelf returns one with so many places on the disk of dir, of which reserve MiB
// stay free.
func newShelf(places, reserve int, dir string) *shelf {
	return &shelf{places: places, reserve: reserve, free: func() (int, error) { return freeDiskMiB(dir) }, taken: make(map[*place]bool)}
}

// take takes a place for a sandbox whose guest has memory MiB.
func (s *shelf) take(memory int) (*place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.spare(); err != nil {
		return nil, err
	}
	free, err := s.free()
	if err != nil {
		return nil, fmt.Errorf("read how much of the disk is free: %w", err)
	}
	need := memory + s.reserve
	for p := range s.taken {
		need += p.coming
	}
	if free < need {
		return nil, fmt.Errorf("%w: %d MiB of the disk is free, and it takes %d, of which %d must stay free: close a suspended one, or free some of the disk",
			ErrNoShelf, free, need, s.reserve)
	}
	p := &place{shelf: s, coming: memory}
	s.taken[p] = true
	return p, nil
}

// hold takes a place for a sandbox that is on the disk already.
func (s *shelf) hold() (*place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.spare(); err != nil {
		return nil, err
	}
	p := &place{shelf: s}
	s.taken[p] = true
	return p, nil
}

// spare reports an error unless a place is left. The caller holds mu.
func (s *shelf) spare() error {
	if len(s.taken) >= s.places {
		return fmt.Errorf("%w: %d are suspended, as many as may be: close one that is not needed any more", ErrNoShelf, len(s.taken))
	}
	return nil
}

// filled notes that all is written.
func (p *place) filled() {
	p.shelf.mu.Lock()
	defer p.shelf.mu.Unlock()
	p.coming = 0
}

// leave gives the place back.
func (p *place) leave() {
	p.shelf.mu.Lock()
	defer p.shelf.mu.Unlock()
	delete(p.shelf.taken, p)
}

// freeDiskMiB returns how much of the disk of dir anybody may still write.
func freeDiskMiB(dir string) (int, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int(st.Bavail * uint64(st.Bsize) >> 20), nil
}
