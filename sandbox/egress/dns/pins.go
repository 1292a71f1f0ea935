package dns

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// PinLife is how long an address may be used for a name after it was last answered
// for it. It is longer than the answers may be kept, because programs keep them
// longer than they may.
const PinLife = time.Hour

// Bounds of what is pinned for one sandbox.
const (
	maxPinned = 4096 // addresses; the one that was not answered for longest goes first
	maxNames  = 64   // of one address
)

// Pins remembers for which names an address was answered. The zero value is ready
// for use, and safe for concurrent use.
type Pins struct {
	mu     sync.Mutex
	byAddr map[netip.Addr]*list.Element // of pinned
	oldest list.List                    // by when they were last answered
}

// pinned is an address and its names.
type pinned struct {
	addr  netip.Addr
	names []pin // oldest first
}

type pin struct {
	name string
	at   time.Time
}

// Pin is an answer as it is taken along to where a guest goes on.
type Pin struct {
	Name string        `json:"name"`
	Addr netip.Addr    `json:"addr"`
	Age  time.Duration `json:"age"` // since it was last answered, in the time of the guest
}

// Add remembers that name was answered with addrs.
func (p *Pins) Add(name string, addrs []netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range addrs {
		p.add(name, a.Unmap(), time.Now())
	}
}

// add remembers an answer. The caller holds mu.
func (p *Pins) add(name string, a netip.Addr, when time.Time) {
	if p.byAddr == nil {
		p.byAddr = make(map[netip.Addr]*list.Element)
	}
	e := p.byAddr[a]
	if e == nil {
		if len(p.byAddr) >= maxPinned {
			first := p.oldest.Front()
			delete(p.byAddr, p.oldest.Remove(first).(*pinned).addr)
		}
		e = p.oldest.PushBack(&pinned{addr: a})
		p.byAddr[a] = e
	}
	p.oldest.MoveToBack(e)
	at := e.Value.(*pinned)
	at.names = slices.DeleteFunc(at.names, func(n pin) bool { return n.name == name })
	if len(at.names) >= maxNames {
		at.names = slices.Delete(at.names, 0, 1)
	}
	at.names = append(at.names, pin{name, when})
}

// List returns what is remembered, the address that was not answered for longest
// first.
func (p *Pins) List() (all []Pin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for e := p.oldest.Front(); e != nil; e = e.Next() {
		at := e.Value.(*pinned)
		for _, n := range at.names {
			if age := time.Since(n.at); age < PinLife {
				all = append(all, Pin{n.name, at.addr, age})
			}
		}
	}
	return all
}

// Restore adds what List has returned of others, as old as it was then.
func (p *Pins) Restore(all []Pin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range all {
		if n.Age >= 0 && n.Age < PinLife {
			p.add(n.Name, n.Addr.Unmap(), time.Now().Add(-n.Age))
		}
	}
}

// Names returns the names for which an address was answered within [PinLife].
func (p *Pins) Names(a netip.Addr) (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byAddr[a.Unmap()]
	if e == nil {
		return nil
	}
	for _, n := range e.Value.(*pinned).names {
		if time.Since(n.at) < PinLife {
			names = append(names, n.name)
		}
	}
	return names
}
