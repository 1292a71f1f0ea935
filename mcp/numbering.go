package mcp

import (
	"context"
	"math/rand/v2"

	"github.com/vmette/vmette-mcp/desktop"
)

// numbering makes the numbers of frames grow for as long as a client knows a
// desktop. The guest counts from 1 on each connection, and is connected anew after
// it was saved, rolled back or lost: a number that a model still has must not name
// another picture.
type numbering struct {
	base uint64 // added to what the guest says
	last uint64 // what the guest said last
}

// anotherNumbering returns one for a desktop whose numbers of before are not known: it
// begins far from where those are likely to be.
func anotherNumbering() numbering { return numbering{base: 1<<20 + rand.Uint64N(1<<30)} }

// next numbers a frame that has come.
func (n *numbering) next(f *desktop.Frame) {
	if f.Number <= n.last {
		n.base += n.last
	}
	n.last = f.Number
	f.Number += n.base
	if f.Base != 0 {
		f.Base += n.base
	}
}

// of returns the number of a frame that may have come before.
func (n *numbering) of(frame uint64) uint64 {
	if frame < n.last {
		n.base += n.last
	}
	n.last = frame
	return n.base + frame
}

// counted is a desktop whose frames are numbered for its client.
type counted struct {
	Desktop
	c  *Conversation
	id string
}

// Do performs one action.
func (d *counted) Do(ctx context.Context, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
	d.c.hold(d.id, a, false)
	res, err := d.Desktop.Do(ctx, a, o)
	if err == nil {
		d.c.hold(d.id, a, true)
	}
	if res != nil && res.Frame != nil {
		d.c.tenant.mu.Lock()
		defer d.c.tenant.mu.Unlock()
		f := *res.Frame
		d.c.tenant.sight(d.id).count.next(&f)
		res.Frame = &f
	}
	return res, err
}

// Screen returns what is known of the screen.
func (d *counted) Screen() Screen { return countedScreen{d.Desktop.Screen(), d} }

type countedScreen struct {
	Screen
	d *counted
}

func (s countedScreen) Picture(withCursor bool) (desktop.Picture, bool) {
	p, ok := s.Screen.Picture(withCursor)
	if ok {
		p.Frame = s.d.number(p.Frame)
	}
	return p, ok
}

func (s countedScreen) Region(r desktop.Rect, withCursor bool) (desktop.Picture, error) {
	p, err := s.Screen.Region(r, withCursor)
	if err == nil {
		p.Frame = s.d.number(p.Frame)
	}
	return p, err
}

func (d *counted) number(frame uint64) uint64 {
	d.c.tenant.mu.Lock()
	defer d.c.tenant.mu.Unlock()
	return d.c.tenant.sight(d.id).count.of(frame)
}
