package x11

import (
	"context"
	"time"

	"github.com/jezek/xgb/xproto"
)

// managerTime is how long a window manager may take to say where it is. One
// that has hung must not hold the driver.
const managerTime = time.Second

// manager is what is known of the window manager.
type manager struct {
	asked []chan struct{} // each closed when its question is answered, oldest first; guarded by mu
	deaf  xproto.Window   // names a window manager that does not answer
}

// managed returns when the window manager has dealt with the buttons and keys
// so far. It may be asked first about each of them: the server holds a press,
// and all that the pointer does after it, until the window manager has decided
// whether to pass it on. What the other hand does meanwhile would overtake it,
// so that a text goes to the window that had the focus before the click.
//
// A window manager tells how large the frame of any window would be when it is
// asked to (Extended Window Manager Hints, _NET_REQUEST_FRAME_EXTENTS), in
// turn with all else. So it is asked about a window that is never shown.
func (d *Display) managed(ctx context.Context) error {
	who, ok := d.managerName()
	if !ok || who == d.manager.deaf {
		return nil
	}
	answered := make(chan struct{})
	d.mu.Lock()
	d.manager.asked = append(d.manager.asked, answered)
	d.mu.Unlock()
	d.send(d.root, xproto.EventMaskSubstructureRedirect|xproto.EventMaskSubstructureNotify, d.atoms.requestExtents, d.own, nil)
	limit := time.NewTimer(managerTime)
	defer limit.Stop()
	select {
	case <-answered:
		return nil
	case <-limit.C:
		d.manager.deaf = who
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.done:
		return d.wire.reason()
	}
}

// managerName returns the window by which the window manager makes itself
// known, if there is one that answers questions.
func (d *Display) managerName() (xproto.Window, bool) {
	check := xproto.GetProperty(d.conn, false, d.root, d.atoms.supportingManager, xproto.AtomWindow, 0, 1)
	supported := xproto.GetProperty(d.conn, false, d.root, d.atoms.netSupported, xproto.AtomAtom, 0, 1024)
	name, err := await(d, check)
	features, err2 := await(d, supported)
	if err != nil || err2 != nil || name.Format != 32 || name.ValueLen < 1 || features.Format != 32 {
		return 0, false
	}
	answers := false
	for i := range int(features.ValueLen) {
		answers = answers || xproto.Atom(le32(features.Value[4*i:])) == d.atoms.requestExtents
	}
	if !answers {
		return 0, false
	}
	who := xproto.Window(le32(name.Value))
	// One that died has left its name behind, but not the window.
	_, err = await(d, xproto.GetProperty(d.conn, false, who, d.atoms.supportingManager, xproto.AtomWindow, 0, 1))
	return who, err == nil
}

// answer tells that the window manager has answered one question.
func (m *manager) answer() {
	if len(m.asked) > 0 {
		close(m.asked[0])
		m.asked = m.asked[1:]
	}
}
