package vhostvsock

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// memory is a guest's physical memory. Its methods are called with the device
// locked, keep nothing of their arguments, and fail unless every byte lies in
// the guest's RAM. The two sides of a copy are equally long.
//
// Two calls happen in their order as the guest sees them.
type memory interface {
	read(dst [][]byte, src []span) error
	write(dst []span, src [][]byte) error
	close() error
}

// errMemoryGone is the error of a memory whose VMM has ended, of which the end of
// its socket tells a little later.
var errMemoryGone = errors.New("VMM has ended")

// span is a range of guest-physical addresses.
type span struct {
	addr, len uint64
}

// skip drops the first n bytes of spans, in place.
func skip(spans []span, n uint64) []span {
	for n > 0 && len(spans) > 0 {
		if spans[0].len > n {
			spans[0].addr += n
			spans[0].len -= n
			return spans
		}
		n -= spans[0].len
		spans = spans[1:]
	}
	return spans
}

// trim keeps the first n bytes of spans, in place.
func trim(spans []span, n uint64) []span {
	for i := range spans {
		if spans[i].len >= n {
			spans[i].len = n
			return spans[:i+1]
		}
		n -= spans[i].len
	}
	return spans
}

// region is a piece of guest RAM and where the VMM has it.
type region struct {
	guest uint64 // guest-physical address
	size  uint64 // in bytes
	user  uint64 // address in the VMM
}

// maxRegions is what vhost-user allows unless more slots were negotiated.
const maxRegions = 8

// regions is the RAM of a guest, by guest-physical address, without overlap.
type regions []region

// newRegions checks a table that came from the VMM.
func newRegions(table []region) (regions, error) {
	if len(table) == 0 || len(table) > maxRegions {
		return nil, fmt.Errorf("memory table has %d regions, not 1 to %d", len(table), maxRegions)
	}
	rs := slices.Clone(table)
	slices.SortFunc(rs, func(a, b region) int { return cmp.Compare(a.guest, b.guest) })
	for i, r := range rs {
		if r.size == 0 || r.guest+r.size < r.guest || r.user+r.size < r.user {
			return nil, fmt.Errorf("memory region %#x+%#x at %#x is empty or wraps", r.guest, r.size, r.user)
		}
		if i > 0 && rs[i-1].guest+rs[i-1].size > r.guest {
			return nil, fmt.Errorf("memory regions overlap at %#x", r.guest)
		}
	}
	return rs, nil
}

// resolve returns where the VMM has the first bytes of s, and how many of them
// lie there in one piece: at least one, unless s is empty.
func (rs regions) resolve(s span) (user, n uint64, err error) {
	for _, r := range rs {
		if s.addr >= r.guest && s.addr-r.guest < r.size {
			off := s.addr - r.guest
			return r.user + off, min(s.len, r.size-off), nil
		}
	}
	return 0, 0, fmt.Errorf("guest address %#x is outside its RAM", s.addr)
}

// guestAddr returns the guest-physical address of n bytes, in one piece, that
// the VMM has at user.
func (rs regions) guestAddr(user, n uint64) (uint64, error) {
	for _, r := range rs {
		if user >= r.user && user-r.user < r.size && n <= r.size-(user-r.user) {
			return r.guest + (user - r.user), nil
		}
	}
	return 0, fmt.Errorf("%d bytes at the VMM's address %#x are not in one region of guest RAM", n, user)
}
