package auth

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many wrong tokens an address may show at once and from then on, and how
// many addresses are remembered.
const (
	failureBurst = 10
	failureEvery = time.Second
	maxAddresses = 4096
)

// failures counts the wrong tokens of each address. The zero value is ready.
type failures struct {
	mu   sync.Mutex
	from map[netip.Prefix]*rate.Limiter
}

// wait returns how long an address must wait before another of its tokens is
// looked at; 0 means not at all.
func (f *failures) wait(remote string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.from[network(remote)]
	if l == nil {
		return 0
	}
	missing := 1 - l.Tokens()
	return max(0, time.Duration(missing*float64(failureEvery)))
}

// count counts a wrong token.
func (f *failures) count(remote string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := network(remote)
	if f.from[n] == nil {
		if f.from == nil || len(f.from) >= maxAddresses {
			// Those that have failed long ago are not worth telling from the others.
			f.from = make(map[netip.Prefix]*rate.Limiter)
		}
		f.from[n] = rate.NewLimiter(rate.Every(failureEvery), failureBurst)
	}
	f.from[n].Allow()
}

// network returns what one client has of an address: all of one of version 4, the
// first 64 bits of one of version 6. What is no address has the zero value.
func network(remote string) netip.Prefix {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := ap.Addr().Unmap(), 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.WithZone("").Prefix(bits)
	return p
}
