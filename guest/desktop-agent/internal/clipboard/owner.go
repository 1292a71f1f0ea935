package clipboard

import (
	"errors"
	"fmt"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// own takes a selection (ICCCM, section 2.1).
func (l *link) own(selection xproto.Atom, c *content) error {
	l.mu.Lock()
	l.owned[selection] = c
	l.mu.Unlock()
	xproto.SetSelectionOwner(l.c.Conn, l.window, selection, c.since)
	owner, err := x11.Reply(l.c, xproto.GetSelectionOwner(l.c.Conn, selection))
	if err != nil {
		return fmt.Errorf("take the selection: %w", err)
	}
	if owner.Owner != l.window {
		l.disown(selection, c)
		return errors.New("another program took the selection at the same time: try again")
	}
	return nil
}

// clear leaves a selection without an owner, whoever that was.
func (l *link) clear(selection xproto.Atom, when xproto.Timestamp) error {
	l.mu.Lock()
	delete(l.owned, selection)
	l.mu.Unlock()
	xproto.SetSelectionOwner(l.c.Conn, xproto.WindowNone, selection, when)
	return l.c.Sync()
}

// disown forgets a content, if the selection still holds it, and reports that.
func (l *link) disown(selection xproto.Atom, c *content) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owned[selection] != c {
		return false
	}
	delete(l.owned, selection)
	return true
}

// lost is told that somebody else has become the owner.
func (l *link) lost(e xproto.SelectionClearEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.owned[e.Selection]
	if c == nil || e.Owner != l.window || before(e.Time, c.since) {
		return // an earlier ownership of ours
	}
	delete(l.owned, e.Selection)
	if c.paste != nil && e.Selection == l.atoms.clipboard {
		c.paste.taken = true
	}
}

// before compares times of the server, which wrap around every 49 days.
func before(a, b xproto.Timestamp) bool { return int32(a-b) < 0 }

// answer gives a requestor what it asks for, or refuses it (ICCCM, section 2.2).
func (l *link) answer(e xproto.SelectionRequestEvent) {
	property := e.Property
	if property == xproto.AtomNone {
		property = e.Target // an obsolete client
	}
	l.mu.Lock()
	c := l.owned[e.Selection]
	l.mu.Unlock()
	if c == nil || (e.Time != 0 && before(e.Time, c.since)) || !l.convert(c, e, e.Target, property) {
		property = xproto.AtomNone
	}
	reply := xproto.SelectionNotifyEvent{Time: e.Time, Requestor: e.Requestor, Selection: e.Selection, Target: e.Target, Property: property}
	xproto.SendEvent(l.c.Conn, false, e.Requestor, xproto.EventMaskNoEvent, string(reply.Bytes()))
}

// convert puts the content into a property of the requestor, as a target. It
// reports whether that is possible.
func (l *link) convert(c *content, e xproto.SelectionRequestEvent, target, property xproto.Atom) bool {
	switch target {
	case l.atoms.targets:
		targets := []xproto.Atom{l.atoms.targets, l.atoms.timestamp, l.atoms.multiple, l.atoms.utf8, l.atoms.plainUTF8, l.atoms.text}
		if _, ok := latin1(c.text); ok {
			targets = append(targets, xproto.AtomString)
		}
		l.put(e.Requestor, property, xproto.AtomAtom, targets)
		return true
	case l.atoms.timestamp:
		l.put(e.Requestor, property, xproto.AtomInteger, []xproto.Atom{xproto.Atom(c.since)})
		return true
	case l.atoms.multiple:
		return l.convertAll(c, e, property)
	}
	data, kind, ok := l.atoms.encode(c.text, target)
	if !ok {
		return false
	}
	return l.send(place{e.Requestor, property}, kind, data, c.paste.follow(l, e))
}

// maxPairs is how many targets one request for several may name.
const maxPairs = 32

// convertAll does what a property of the requestor lists, pairs of a target and
// a property, and marks there what cannot be done (ICCCM, section 2.6.2).
func (l *link) convertAll(c *content, e xproto.SelectionRequestEvent, property xproto.Atom) bool {
	list, err := x11.Reply(l.c, xproto.GetProperty(l.c.Conn, false, e.Requestor, property, l.atoms.atomPair, 0, 2*maxPairs))
	if err != nil || list.Format != 32 || list.BytesAfter > 0 {
		return false
	}
	pairs := words(list.Value)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == l.atoms.multiple || !l.convert(c, e, pairs[i], pairs[i+1]) {
			pairs[i+1] = xproto.AtomNone
		}
	}
	l.put(e.Requestor, property, l.atoms.atomPair, pairs)
	return true
}

// put sets a property of 32-bit values.
func (l *link) put(w xproto.Window, property, kind xproto.Atom, values []xproto.Atom) {
	data := make([]byte, 4*len(values))
	for i, v := range values {
		xgb.Put32(data[4*i:], uint32(v))
	}
	xproto.ChangeProperty(l.c.Conn, xproto.PropModeReplace, w, property, kind, 32, uint32(len(values)), data)
}

// words takes the value of such a property apart.
func words(data []byte) []xproto.Atom {
	values := make([]xproto.Atom, len(data)/4)
	for i := range values {
		values[i] = xproto.Atom(xgb.Get32(data[4*i:]))
	}
	return values
}
