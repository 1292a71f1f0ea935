package x11

import (
	"context"
	"fmt"
	"time"

	"github.com/jezek/xgb/damage"
	"github.com/jezek/xgb/xfixes"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

type atoms struct {
	barrier     xproto.Atom // type of the messages to ourselves
	scratch     xproto.Atom // property of the root window: keycodes that are ours
	wmProtocols xproto.Atom
	netWMPing   xproto.Atom

	supportingManager xproto.Atom
	netSupported      xproto.Atom
	requestExtents    xproto.Atom
	frameExtents      xproto.Atom
}

func (d *Display) internAtoms() (a atoms, err error) {
	names := []struct {
		atom *xproto.Atom
		name string
	}{
		{&a.barrier, "_VMETTE_BARRIER"},
		{&a.scratch, "_VMETTE_SCRATCH_KEYCODES"},
		{&a.wmProtocols, "WM_PROTOCOLS"},
		{&a.netWMPing, "_NET_WM_PING"},
		{&a.supportingManager, "_NET_SUPPORTING_WM_CHECK"},
		{&a.netSupported, "_NET_SUPPORTED"},
		{&a.requestExtents, "_NET_REQUEST_FRAME_EXTENTS"},
		{&a.frameExtents, "_NET_FRAME_EXTENTS"},
	}
	for _, n := range names {
		r, err := await(d, xproto.InternAtom(d.conn, false, uint16(len(n.name)), n.name))
		if err != nil {
			return a, fmt.Errorf("intern atom %s: %w", n.name, err)
		}
		*n.atom = r.Atom
	}
	return a, nil
}

// drain handles the server's events until the connection ends. It must never
// wait for anything else: xgb stops reading, replies included, when events lie
// about.
func (d *Display) drain() {
	defer close(d.done)
	for {
		event, xerr := d.conn.WaitForEvent()
		switch e := event.(type) {
		case nil:
			if xerr == nil {
				return
			}
			d.log.Debug("x11: request failed", "error", xerr)
		case rawEvent:
			d.extensionEvent(e)
		case xproto.ClientMessageEvent:
			d.message(e)
		case xproto.PropertyNotifyEvent:
			if e.Window == d.own && e.Atom == d.atoms.frameExtents {
				d.mu.Lock()
				d.manager.answer()
				d.mu.Unlock()
			}
		case xproto.ConfigureNotifyEvent:
			if e.Window == d.root {
				d.resized(desktop.Size{Width: int(e.Width), Height: int(e.Height)})
			}
		case xproto.MappingNotifyEvent:
			if e.Request != xproto.MappingPointer {
				d.mu.Lock()
				d.stale = true
				d.mu.Unlock()
			}
		}
	}
}

func (d *Display) extensionEvent(e rawEvent) {
	switch e[0] & 127 {
	case d.damageEvent:
		n := damage.NotifyEventNew(e).(damage.NotifyEvent)
		r := desktop.Rect{X0: int(n.Area.X), Y0: int(n.Area.Y)}
		r.X1, r.Y1 = r.X0+int(n.Area.Width), r.Y0+int(n.Area.Height)
		d.mu.Lock()
		d.damaged.mark(r)
		d.activity.damage(r, time.Now())
		d.mu.Unlock()
		select {
		case d.repair <- struct{}{}:
		default:
		}
	case d.cursorEvent:
		n := xfixes.CursorNotifyEventNew(e).(xfixes.CursorNotifyEvent)
		d.mu.Lock()
		d.cursor = n.CursorSerial
		d.mu.Unlock()
	}
}

func (d *Display) message(e xproto.ClientMessageEvent) {
	if e.Format != 32 {
		return
	}
	var waiting map[uint32]waiter
	var ticket uint32
	switch {
	case e.Window == d.own && e.Type == d.atoms.barrier:
		waiting, ticket = d.barriers, e.Data.Data32[0]
	case e.Window == d.root && e.Type == d.atoms.wmProtocols && e.Data.Data32[0] == uint32(d.atoms.netWMPing):
		waiting, ticket = d.pongs, e.Data.Data32[1]
	default:
		return
	}
	d.mu.Lock()
	if w, ok := waiting[ticket]; ok {
		if w.then != nil {
			w.then()
		}
		close(w.arrived)
		delete(waiting, ticket)
	}
	d.mu.Unlock()
}

func (d *Display) resized(s desktop.Size) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s == d.size {
		return
	}
	d.size = s
	d.damaged = newTiles(s)
	d.damaged.mark(desktop.Rect{X1: s.Width, Y1: s.Height})
	d.activity.damage(desktop.Rect{X1: s.Width, Y1: s.Height}, time.Now())
}

// repairInterval is how often the server is asked to report damage afresh. It
// reports an area once until then, so that a program which paints the same
// spot in a loop cannot flood the connection.
const repairInterval = 8 * time.Millisecond

func (d *Display) repairDamage() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-d.repair:
		case <-d.done:
			return
		}
		select {
		case <-timer.C:
		case <-d.done:
			return
		}
		damage.Subtract(d.conn, d.damage, xfixes.RegionNone, xfixes.RegionNone)
		timer.Reset(repairInterval)
	}
}

// waiter is someone who waits for an event.
type waiter struct {
	arrived chan struct{} // closed when it has come
	then    func()        // called before that, with mu held and before the next event is handled; may be nil
}

// ticket returns a channel that is closed when the event with the returned
// number arrives, and a function to forget about it.
func (d *Display) ticket(waiting map[uint32]waiter, then func()) (n uint32, arrived <-chan struct{}, forget func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tickets++
	n = d.tickets
	w := waiter{arrived: make(chan struct{}), then: then}
	waiting[n] = w
	return n, w.arrived, func() {
		d.mu.Lock()
		delete(waiting, n)
		d.mu.Unlock()
	}
}

// barrier returns when the server has processed all requests made so far and
// [Display.drain] has handled all events that they caused. It does so by
// sending an event to ourselves, which a wait for a reply could not tell.
func (d *Display) barrier(ctx context.Context) error { return d.barrierThen(ctx, nil) }

// barrierThen is a barrier that calls a function, with mu held, between the
// last event before it and the first one after it.
func (d *Display) barrierThen(ctx context.Context, then func()) error {
	n, arrived, forget := d.ticket(d.barriers, then)
	defer forget()
	d.send(d.own, 0, d.atoms.barrier, d.own, []uint32{n})
	watch := time.AfterFunc(patience, func() { d.wire.end(errSilent) })
	defer watch.Stop()
	select {
	case <-arrived:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.done:
		return d.wire.reason()
	}
}

// send sends a client message about the window about to another window.
func (d *Display) send(to xproto.Window, mask uint32, kind xproto.Atom, about xproto.Window, data []uint32) {
	var words [5]uint32
	copy(words[:], data)
	message := xproto.ClientMessageEvent{
		Format: 32, Window: about, Type: kind,
		Data: xproto.ClientMessageDataUnionData32New(words[:]),
	}
	xproto.SendEvent(d.conn, false, to, mask, string(message.Bytes()))
}
