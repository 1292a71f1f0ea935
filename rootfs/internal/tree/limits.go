package tree

import (
	"errors"
	"fmt"
)

// ErrTooLarge reports a source that exceeds the [Limits].
var ErrTooLarge = errors.New("archive is too large")

// Limits bound what sources may take. A zero field means its default.
type Limits struct {
	Entries  int   // names, over all sources and with directories that are only implied; 1,048,576
	Metadata int64 // bytes of names, link targets and extended attributes; 256 MiB
	Bytes    int64 // bytes of contents, over all sources; 64 GiB
	Path     int   // bytes of a path or a link's target; 4096
	Ratio    int64 // bytes that each compressed byte may become, beyond Slack; 200
	Slack    int64 // bytes of each archive that Ratio does not count; 1 GiB
}

func (l Limits) withDefaults() Limits {
	or := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	if l.Entries == 0 {
		l.Entries = 1 << 20
	}
	if l.Path == 0 {
		l.Path = 4096
	}
	or(&l.Metadata, 256<<20)
	or(&l.Bytes, 64<<30)
	or(&l.Ratio, 200)
	or(&l.Slack, 1<<30)
	return l
}

// stream is how long an archive that keeps to the limits may be: each entry has
// a header of a block or three, and its contents end at the end of a block.
func (l Limits) stream() int64 { return l.Bytes + l.Metadata + int64(l.Entries)*4*512 }

// maxName is the longest name that squashfs can hold, in bytes; maxOwners is how
// many different users and groups it can.
const (
	maxName   = 255
	maxOwners = 1 << 16
)

// budget is what has been used of the limits.
type budget struct {
	Limits
	entries  int
	metadata int64
	bytes    int64
	owners   map[int]bool
}

func newBudget(l Limits) *budget {
	return &budget{Limits: l.withDefaults(), owners: make(map[int]bool)}
}

// entry takes one more name with n bytes of metadata.
func (b *budget) entry(n int) error {
	b.entries++
	b.metadata += int64(n)
	switch {
	case b.entries > b.Entries:
		return fmt.Errorf("%w: it has more than %d entries", ErrTooLarge, b.Entries)
	case b.metadata > b.Metadata:
		return fmt.Errorf("%w: its names and attributes take more than %d bytes", ErrTooLarge, b.Metadata)
	}
	return nil
}

// contents takes n more bytes of contents.
func (b *budget) contents(n int64) error {
	if n < 0 || n > b.Bytes-b.bytes {
		return fmt.Errorf("%w: its files have more than %d bytes", ErrTooLarge, b.Bytes)
	}
	b.bytes += n
	return nil
}

// owner takes a user or group.
func (b *budget) owner(id int) error {
	if id < 0 || int64(id) >= 1<<32-1 {
		return fmt.Errorf("owner %d is not a user or group", id)
	}
	b.owners[id] = true
	if len(b.owners) > maxOwners {
		return fmt.Errorf("%w: its files have more than %d owners", ErrTooLarge, maxOwners)
	}
	return nil
}
