package clipboard

import (
	"time"

	"github.com/jezek/xgb/xproto"
)

const (
	// chunk is how much of a text goes into one property. Longer ones go piece
	// by piece (ICCCM, section 2.7.2).
	chunk = 64 << 10
	// maxTransfers is how many requestors are served at a time.
	maxTransfers = 64
)

// place is where a requestor wants to have something.
type place struct {
	window   xproto.Window
	property xproto.Atom
}

// transfer is data on its way to a requestor, which deletes the property when it
// has read it.
type transfer struct {
	kind    xproto.Atom
	rest    []byte
	pieces  bool // it goes piece by piece, with an empty one at the end
	ended   bool // that one has been sent
	overdue *time.Timer
	paste   *paste // that waits for it, or nil
}

// send begins a transfer. It is false when too many are under way.
func (l *link) send(to place, kind xproto.Atom, data []byte, p *paste) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sending[to] == nil && len(l.sending) >= maxTransfers {
		return false
	}
	l.drop(to)
	t := &transfer{kind: kind, paste: p}
	t.overdue = time.AfterFunc(answerLimit, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.sending[to] == t {
			l.drop(to)
		}
	})
	l.sending[to] = t
	// Before the property is there, or its deletion could be missed.
	l.c.Watch(to.window, xproto.EventMaskPropertyChange|xproto.EventMaskStructureNotify)
	t.paste.begin(len(data))
	if len(data) <= chunk {
		l.write(to, kind, data)
		t.paste.progress(len(data), false)
		return true
	}
	t.pieces, t.rest = true, data
	l.put(to.window, to.property, l.atoms.incr, []xproto.Atom{xproto.Atom(len(data))})
	return true
}

// fetched is told that a property has changed, and reports whether it is one of a
// transfer.
func (l *link) fetched(e xproto.PropertyNotifyEvent) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := place{e.Window, e.Atom}
	t := l.sending[from]
	if t == nil {
		return false
	}
	if e.State != xproto.PropertyDelete {
		return true
	}
	if !t.pieces || t.ended {
		t.paste.progress(0, true)
		l.drop(from)
		return true
	}
	t.overdue.Reset(answerLimit)
	n := min(chunk, len(t.rest))
	l.write(from, t.kind, t.rest[:n])
	t.paste.progress(n, false)
	t.rest, t.ended = t.rest[n:], n == 0
	return true
}

func (l *link) write(to place, kind xproto.Atom, data []byte) {
	xproto.ChangeProperty(l.c.Conn, xproto.PropModeReplace, to.window, to.property, kind, 8, uint32(len(data)), data)
}

// gone ends the transfers to a window that is no more.
func (l *link) gone(w xproto.Window) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w == l.owner && l.ownerGone != nil {
		l.ownerGone(errGone)
	}
	for to := range l.sending {
		if to.window == w {
			l.drop(to)
		}
	}
}

// drop forgets a transfer. The caller holds mu.
func (l *link) drop(to place) {
	t := l.sending[to]
	if t == nil {
		return
	}
	t.overdue.Stop()
	delete(l.sending, to)
	for other := range l.sending {
		if other.window == to.window {
			return
		}
	}
	l.c.Watch(to.window, xproto.EventMaskNoEvent)
}
