package clipboard

import (
	"context"
	"errors"
	"fmt"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// errRefused is an owner that does not have its selection as the target that it
// was asked for.
var errRefused = errors.New("refused")

// errGone is an owner that has gone before it answered.
var errGone = errors.New("gone")

// get asks the owner of a selection for its text.
func (l *link) get(ctx context.Context, selection xproto.Atom) ([]byte, error) {
	owner, err := x11.Reply(l.c, xproto.GetSelectionOwner(l.c.Conn, selection))
	if err != nil {
		return nil, fmt.Errorf("ask for the owner of the selection: %w", err)
	}
	switch owner.Owner {
	case xproto.WindowNone:
		return nil, nil
	case l.window:
		l.mu.Lock()
		defer l.mu.Unlock()
		if c := l.owned[selection]; c != nil {
			return []byte(c.text), nil
		}
		return nil, nil
	}
	ctx, end := l.whileThere(ctx, owner.Owner)
	defer end()
	text, err := l.ask(ctx, selection)
	if errors.Is(err, errGone) {
		return nil, nil // nobody holds it any more
	}
	if errors.Is(err, errSilent) || errors.Is(err, errSlow) {
		return nil, desktop.Errorf(desktop.CodeUnavailable, "the application that holds the selection has not given it within %v: it hangs or is very busy; try again in a while, or copy the text from another application", answerLimit)
	}
	return text, err
}

func (l *link) ask(ctx context.Context, selection xproto.Atom) ([]byte, error) {
	f, err := l.newFetch(ctx, selection)
	if err != nil {
		return nil, err
	}
	defer f.end()
	return f.text(ctx)
}

// whileThere returns a context that ends with errGone when the owner of a selection has
// gone, until end is called.
func (l *link) whileThere(ctx context.Context, owner xproto.Window) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	l.owner, l.ownerGone = owner, cancel
	l.mu.Unlock()
	// With what a transfer to the same window wants to hear, as the one replaces the other.
	err := xproto.ChangeWindowAttributesChecked(l.c.Conn, owner, xproto.CwEventMask,
		[]uint32{xproto.EventMaskPropertyChange | xproto.EventMaskStructureNotify}).Check()
	if err != nil {
		cancel(errGone)
	}
	return ctx, func() {
		l.mu.Lock()
		l.owner, l.ownerGone = xproto.WindowNone, nil
		l.mu.Unlock()
		cancel(nil)
	}
}

// fetch asks the owner of a selection, with a window of its own, so that what
// comes late for one cannot be taken for another's.
type fetch struct {
	*link
	selection xproto.Atom
	requestor xproto.Window
	when      xproto.Timestamp
	events    <-chan xgb.Event
	stop      func()
}

func (l *link) newFetch(ctx context.Context, selection xproto.Atom) (*fetch, error) {
	when, err := l.now(ctx)
	if err != nil {
		return nil, err
	}
	w, err := l.newWindow()
	if err != nil {
		return nil, err
	}
	f := &fetch{link: l, selection: selection, requestor: w, when: when}
	f.events, f.stop = l.listen()
	return f, nil
}

func (f *fetch) end() {
	f.stop()
	xproto.DestroyWindow(f.c.Conn, f.requestor)
}

// text asks which kinds of text there are, and for the best of them.
func (f *fetch) text(ctx context.Context) ([]byte, error) {
	candidates := []xproto.Atom{f.atoms.utf8, xproto.AtomString}
	list, kind, err := f.convert(ctx, f.atoms.targets)
	switch {
	case err == nil && (kind == xproto.AtomAtom || kind == f.atoms.targets):
		best := f.atoms.preferred(words(list))
		if best == 0 {
			return nil, nil
		}
		candidates = []xproto.Atom{best}
	case err != nil && !errors.Is(err, errRefused):
		return nil, err
	}
	for _, target := range candidates {
		data, kind, err := f.convert(ctx, target)
		if errors.Is(err, errRefused) {
			continue
		}
		if err != nil {
			return nil, err
		}
		text, _ := f.atoms.decode(data, kind)
		return text, nil
	}
	return nil, nil
}

// convert asks for the selection as a target.
func (f *fetch) convert(ctx context.Context, target xproto.Atom) (data []byte, kind xproto.Atom, err error) {
	xproto.DeleteProperty(f.c.Conn, f.requestor, f.atoms.transfer)
	xproto.ConvertSelection(f.c.Conn, f.requestor, f.selection, target, f.atoms.transfer, f.when)
	answer, err := within(ctx, f, func(e xproto.SelectionNotifyEvent) bool {
		return e.Requestor == f.requestor && e.Target == target
	})
	if err != nil {
		return nil, 0, err
	}
	if answer.Property == xproto.AtomNone {
		return nil, 0, errRefused
	}
	if data, kind, err = f.take(nil); err != nil || kind != f.atoms.incr {
		return data, kind, err
	}
	return f.pieces(ctx)
}

// pieces collects what comes piece by piece, up to an empty one (ICCCM, section
// 2.7.2). The first has been asked for by taking the announcement.
func (f *fetch) pieces(ctx context.Context) (data []byte, kind xproto.Atom, err error) {
	for {
		_, err := within(ctx, f, func(e xproto.PropertyNotifyEvent) bool {
			return e.Window == f.requestor && e.Atom == f.atoms.transfer && e.State == xproto.PropertyNewValue
		})
		if err != nil {
			return nil, 0, err
		}
		before := len(data)
		if data, kind, err = f.take(data); err != nil {
			return nil, 0, err
		}
		if len(data) == before && kind != xproto.AtomNone {
			return data, kind, nil
		}
	}
}

// take appends the property that the owner has set to data, and deletes it.
func (f *fetch) take(data []byte) ([]byte, xproto.Atom, error) {
	room := desktop.MaxClipboard - len(data)
	p, err := x11.Reply(f.c, xproto.GetProperty(f.c.Conn, true, f.requestor, f.atoms.transfer, xproto.GetPropertyTypeAny, 0, uint32(room/4+1)))
	if err != nil {
		return nil, 0, fmt.Errorf("read the selection: %w", err)
	}
	if p.BytesAfter > 0 || len(p.Value) > room {
		return nil, 0, desktop.Errorf(desktop.CodeInvalid, "the selection holds more than %d bytes of text: copy less, or save it to a file and read that", desktop.MaxClipboard)
	}
	return append(data, p.Value...), p.Type, nil
}

// within waits for an event for as long as one step of the owner may take.
func within[E xgb.Event](ctx context.Context, f *fetch, want func(E) bool) (E, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerLimit, errSilent)
	defer cancel()
	return await(ctx, f.link, f.events, want)
}
