package clipboard

import (
	"context"
	"fmt"
	"sync"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// link is a connection on which selections are owned and asked for.
type link struct {
	c      *x11.Conn
	atoms  atoms
	window xproto.Window // that owns selections
	loop   sync.WaitGroup

	mu      sync.Mutex
	owned   map[xproto.Atom]*content // by selection
	sending map[place]*transfer
	// events takes what comes to the windows of ours, while somebody waits.
	events chan xgb.Event
	// owner is who was asked for a selection, while somebody waits, and ownerGone is told
	// when that has gone.
	owner     xproto.Window
	ownerGone context.CancelCauseFunc
}

// content is what a selection holds that is ours.
type content struct {
	text  string
	since xproto.Timestamp
	paste *paste // that it was set for, or nil
}

func open(ctx context.Context, display string) (*link, error) {
	c, err := x11.Connect(ctx, display)
	if err != nil {
		return nil, err
	}
	l := &link{c: c, owned: make(map[xproto.Atom]*content), sending: make(map[place]*transfer)}
	if err := l.setUp(); err != nil {
		c.Close()
		return nil, err
	}
	l.loop.Go(l.serve)
	return l, nil
}

func (l *link) setUp() error {
	a := &l.atoms
	for _, n := range []struct {
		atom *xproto.Atom
		name string
	}{
		{&a.clipboard, nameClipboard}, {&a.targets, nameTargets}, {&a.timestamp, nameTimestamp}, {&a.multiple, nameMultiple},
		{&a.atomPair, nameAtomPair}, {&a.incr, nameIncr}, {&a.text, nameText}, {&a.utf8, nameUTF8}, {&a.plainUTF8, namePlainUTF8},
		{&a.transfer, nameTransfer},
	} {
		atom, err := l.c.Atom(n.name)
		if err != nil {
			return err
		}
		*n.atom = atom
	}
	window, err := l.newWindow()
	l.window = window
	return err
}

// newWindow makes a window that is never seen, whose properties are watched.
func (l *link) newWindow() (xproto.Window, error) {
	w, err := xproto.NewWindowId(l.c.Conn)
	if err != nil {
		return 0, err
	}
	err = xproto.CreateWindowChecked(l.c.Conn, 0, w, l.c.Root, -1, -1, 1, 1, 0, xproto.WindowClassInputOnly, 0,
		xproto.CwEventMask, []uint32{xproto.EventMaskPropertyChange}).Check()
	if err != nil {
		return 0, fmt.Errorf("make a window: %w", err)
	}
	return w, nil
}

// close gives up the selections by ending the connection.
func (l *link) close() {
	l.c.Close()
	l.loop.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.sending {
		t.overdue.Stop()
	}
}

// serve handles events until the connection ends.
func (l *link) serve() {
	for event := range l.c.Events() {
		switch e := event.(type) {
		case xproto.SelectionRequestEvent:
			l.answer(e)
		case xproto.SelectionClearEvent:
			l.lost(e)
		case xproto.DestroyNotifyEvent:
			l.gone(e.Window)
		case xproto.PropertyNotifyEvent:
			if !l.fetched(e) {
				l.pass(e)
			}
		case xproto.SelectionNotifyEvent:
			l.pass(e)
		}
	}
}

// pass gives an event to who waits for such, if somebody does.
func (l *link) pass(e xgb.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.events == nil {
		return
	}
	select {
	case l.events <- e:
	default: // more than anybody could wait for
	}
}

// listen begins to collect events; the function that it returns ends that.
func (l *link) listen() (events <-chan xgb.Event, end func()) {
	ch := make(chan xgb.Event, 256)
	l.mu.Lock()
	l.events = ch
	l.mu.Unlock()
	return ch, func() {
		l.mu.Lock()
		l.events = nil
		l.mu.Unlock()
	}
}

// now asks for the server's time, which comes with the change of a property
// (ICCCM, section 2.1).
func (l *link) now(ctx context.Context) (xproto.Timestamp, error) {
	events, end := l.listen()
	defer end()
	xproto.ChangeProperty(l.c.Conn, xproto.PropModeAppend, l.window, l.atoms.transfer, xproto.AtomInteger, 32, 0, nil)
	if err := l.c.Sync(); err != nil {
		return 0, err
	}
	e, err := await(ctx, l, events, func(e xproto.PropertyNotifyEvent) bool { return e.Window == l.window })
	return e.Time, err
}

// await waits for an event of one kind.
func await[E xgb.Event](ctx context.Context, l *link, events <-chan xgb.Event, want func(E) bool) (E, error) {
	ended := l.c.Done()
	for {
		select {
		case event := <-events:
			if e, ok := event.(E); ok && want(e) {
				return e, nil
			}
		case <-ended:
			var none E
			return none, l.c.Err()
		case <-ctx.Done():
			var none E
			return none, context.Cause(ctx)
		}
	}
}
