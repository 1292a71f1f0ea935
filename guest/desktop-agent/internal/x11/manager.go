package x11

import (
	"context"
	"time"

	"github.com/jezek/xgb/xproto"
)

const (
	// managerTime is how long a window manager may take to say where it is. One
	// that has hung must not hold the driver.
	managerTime = time.Second
	// askAgain is how long it is waited for an answer until it is asked once
	// more, at first.
	askAgain = 50 * time.Millisecond
)

// manager is what is known of the window manager.
type manager struct {
	asked []*question   // one for each time of asking, oldest first; guarded by mu
	deaf  xproto.Window // names a window manager that does not answer, until it does; guarded by mu
}

// question is what the window manager was asked, once or more often.
type question struct {
	answered chan struct{} // closed by the first answer
	over     bool          // whether it is; guarded by mu
}

// managed returns when the window manager has dealt with the buttons and keys
// so far. It may be asked first about each of them: the server holds a press,
// and all that the pointer does after it, until the window manager has decided
// whether to pass it on. What the other hand does meanwhile would overtake it,
// so that a text goes to the window that had the focus before the click.
func (d *Display) managed(ctx context.Context) error {
	who, ok := d.managerName()
	if !ok {
		return nil
	}
	d.mu.Lock()
	deaf := who == d.manager.deaf
	d.mu.Unlock()
	if deaf {
		return nil
	}
	limit, cancel := context.WithTimeoutCause(ctx, managerTime, errNoAnswer)
	defer cancel()
	err := d.askManager(limit)
	if err != nil && ctx.Err() == nil && context.Cause(limit) == errNoAnswer {
		d.mu.Lock()
		d.manager.deaf = who
		d.mu.Unlock()
		return nil
	}
	return err
}

// AwaitManager returns when the window manager, if there is one that can be
// asked, deals with what happens on the screen. It makes itself known some time
// before.
func (d *Display) AwaitManager(ctx context.Context) error {
	if _, ok := d.managerName(); !ok {
		return nil
	}
	if err := d.askManager(ctx); err != nil {
		return d.observation(ctx, err)
	}
	return nil
}

// askManager returns when the window manager has answered a question, as it
// does in turn with all else.
//
// A window manager tells how large the frame of any window would be when it is
// asked to (Extended Window Manager Hints, _NET_REQUEST_FRAME_EXTENTS). So it is
// asked about a window that is never shown. It is asked again until it answers:
// openbox has been seen to sleep on messages, and on windows that want to be
// shown, which it had read while it started, until another one woke it.
func (d *Display) askManager(ctx context.Context) error {
	q := &question{answered: make(chan struct{})}
	for again := askAgain; ; again *= 2 {
		d.mu.Lock()
		d.manager.asked = append(d.manager.asked, q)
		d.mu.Unlock()
		d.send(d.root, xproto.EventMaskSubstructureRedirect|xproto.EventMaskSubstructureNotify, d.atoms.requestExtents, d.own, nil)
		timer := time.NewTimer(again)
		select {
		case <-q.answered:
			timer.Stop()
			return nil
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-d.done:
			timer.Stop()
			return d.wire.reason()
		}
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

// answer tells that the window manager has answered the oldest question.
func (m *manager) answer() {
	m.deaf = 0
	if len(m.asked) == 0 {
		return
	}
	q := m.asked[0]
	m.asked = m.asked[1:]
	if !q.over {
		q.over = true
		close(q.answered)
	}
}
