package clipboard

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

type request = xproto.SelectionRequestEvent

// odd is a client that owns the clipboard and gives what no Clipboard does.
type odd struct {
	c *x11.Conn
	w xproto.Window
	atoms
}

// startOdd starts one, which handles requests with answer until the test ends.
func startOdd(t *testing.T, display string, answer func(*odd, request)) {
	t.Helper()
	c, err := x11.Connect(context.WithoutCancel(t.Context()), display)
	if err != nil {
		t.Fatal(err)
	}
	l := &link{c: c}
	if err := l.setUp(); err != nil {
		t.Fatal(err)
	}
	o := &odd{c, l.window, l.atoms}
	xproto.SetSelectionOwner(c.Conn, o.w, o.clipboard, xproto.TimeCurrentTime)
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for event := range c.Events() {
			if e, ok := event.(request); ok {
				answer(o, e)
			}
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-ended
	})
}

// give answers a request with data of a type, refuse with nothing.
func (o *odd) give(e request, kind xproto.Atom, data string) {
	xproto.ChangeProperty(o.c.Conn, xproto.PropModeReplace, e.Requestor, e.Property, kind, 8, uint32(len(data)), []byte(data))
	o.notify(e, e.Property)
}

func (o *odd) giveAtoms(e request, kind xproto.Atom, atoms ...xproto.Atom) {
	(&link{c: o.c}).put(e.Requestor, e.Property, kind, atoms)
	o.notify(e, e.Property)
}

func (o *odd) refuse(e request) { o.notify(e, xproto.AtomNone) }

func (o *odd) notify(e request, property xproto.Atom) {
	n := xproto.SelectionNotifyEvent{Time: e.Time, Requestor: e.Requestor, Selection: e.Selection, Target: e.Target, Property: property}
	xproto.SendEvent(o.c.Conn, false, e.Requestor, 0, string(n.Bytes()))
}

func TestGetFromOddOwners(t *testing.T) {
	only := func(target func(*odd) xproto.Atom, data string) func(*odd, request) {
		return func(o *odd, e request) {
			if e.Target != target(o) {
				o.refuse(e)
				return
			}
			o.give(e, e.Target, data)
		}
	}
	utf8 := func(o *odd) xproto.Atom { return o.utf8 }
	tests := []struct {
		name   string
		answer func(*odd, request)
		want   string
	}{
		{"has nothing", (*odd).refuse, ""},
		{"knows no targets", only(utf8, "é"), "é"},
		{"knows Latin-1 alone", only(func(*odd) xproto.Atom { return xproto.AtomString }, "caf\xe9"), "café"},
		{"calls UTF-8 what is not", only(utf8, "a\xffb"), "a\uFFFDb"},
		{"chooses Latin-1 for TEXT", func(o *odd, e request) {
			switch e.Target {
			case o.targets:
				o.giveAtoms(e, xproto.AtomAtom, o.text)
			case o.text:
				o.give(e, xproto.AtomString, "\xfc")
			default:
				o.refuse(e)
			}
		}, "ü"},
		{"has a picture", func(o *odd, e request) { o.giveAtoms(e, xproto.AtomAtom, xproto.AtomPixmap) }, ""},
		{"answers with another type", func(o *odd, e request) { o.give(e, xproto.AtomInteger, "1234") }, ""},
		{"answers nonsense for the targets", func(o *odd, e request) { o.give(e, xproto.AtomAtom, "xyz") }, ""},
		{"says that it gives and does not", func(o *odd, e request) { o.notify(e, e.Property) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startServer(t)
			startOdd(t, s.Display, tt.answer)
			got, err := newClipboard(t, s.Display).Get(t.Context(), desktop.Clipboard)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestGetBoundsWhatItTakes(t *testing.T) {
	tests := map[string]func(*odd, request){
		"in pieces without end": func(o *odd, e request) {
			if e.Target != o.utf8 {
				o.refuse(e)
				return
			}
			o.c.Watch(e.Requestor, xproto.EventMaskPropertyChange)
			o.giveAtoms(e, o.incr, 1)
			piece := strings.Repeat("x", 200_000)
			for event := range o.c.Events() {
				if p, ok := event.(xproto.PropertyNotifyEvent); ok && p.State == xproto.PropertyDelete && p.Atom == e.Property {
					o.give(e, o.utf8, piece)
				}
			}
		},
		"at once": func(o *odd, e request) {
			if e.Target != o.utf8 {
				o.refuse(e)
				return
			}
			piece := make([]byte, 200_000)
			for range desktop.MaxClipboard/len(piece) + 1 {
				xproto.ChangeProperty(o.c.Conn, xproto.PropModeAppend, e.Requestor, e.Property, o.utf8, 8, uint32(len(piece)), piece)
			}
			o.notify(e, e.Property)
		},
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			startOdd(t, s.Display, answer)
			text, err := newClipboard(t, s.Display).Get(t.Context(), desktop.Clipboard)
			var e *desktop.Error
			if !errors.As(err, &e) || e.Code != desktop.CodeInvalid || len(text) > 0 {
				t.Errorf("got %d bytes, %v", len(text), err)
			}
		})
	}
}

func TestGetFromAnOwnerThatNeverAnswersIsCancelled(t *testing.T) {
	s := startServer(t)
	asked := make(chan struct{}, 1)
	startOdd(t, s.Display, func(*odd, request) { asked <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := newClipboard(t, s.Display).Get(ctx, desktop.Clipboard)
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeCancelled {
		t.Errorf("got %v", err)
	}
}

func TestGetFromAnOwnerThatNeverAnswersEnds(t *testing.T) {
	s := startServer(t)
	startOdd(t, s.Display, func(*odd, request) {})
	c := newClipboard(t, s.Display)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 0, errSilent) // what the limit of a step does
	defer cancel()
	if err := c.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, err := c.link.newFetch(t.Context(), c.link.atoms.clipboard)
	if err != nil {
		t.Fatal(err)
	}
	defer f.end()
	if _, _, err := f.convert(ctx, c.link.atoms.utf8); !errors.Is(err, errSilent) {
		t.Errorf("got %v", err)
	}
}

// ask is a requestor of its own: it asks the owner of the clipboard for a target
// and returns what the property then is.
func ask(t *testing.T, display string, target func(*atoms) xproto.Atom, prepare func(*link, xproto.Window)) (*xproto.GetPropertyReply, *link) {
	t.Helper()
	c := newClipboard(t, display)
	if err := c.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := c.link
	f, err := l.newFetch(t.Context(), l.atoms.clipboard)
	if err != nil {
		t.Fatal(err)
	}
	defer f.end()
	if prepare != nil {
		prepare(l, f.requestor)
	}
	want := target(&l.atoms)
	xproto.ConvertSelection(l.c.Conn, f.requestor, l.atoms.clipboard, want, l.atoms.transfer, f.when)
	if _, err := within(t.Context(), f, func(e xproto.SelectionNotifyEvent) bool { return e.Requestor == f.requestor }); err != nil {
		t.Fatal(err)
	}
	p, err := x11.Reply(l.c, xproto.GetProperty(l.c.Conn, false, f.requestor, l.atoms.transfer, xproto.GetPropertyTypeAny, 0, 1000))
	if err != nil {
		t.Fatal(err)
	}
	return p, l
}

func TestOwnerOffersTargets(t *testing.T) {
	s := startServer(t)
	owner := newClipboard(t, s.Display)
	for text, latin := range map[string]bool{"äö": true, "字": false} {
		if err := owner.Set(t.Context(), desktop.Clipboard, text); err != nil {
			t.Fatal(err)
		}
		p, l := ask(t, s.Display, func(a *atoms) xproto.Atom { return a.targets }, nil)
		offered := make(map[xproto.Atom]bool)
		for _, a := range words(p.Value) {
			offered[a] = true
		}
		a := l.atoms
		if p.Type != xproto.AtomAtom || !offered[a.targets] || !offered[a.timestamp] || !offered[a.multiple] || !offered[a.utf8] || !offered[a.text] || offered[xproto.AtomString] != latin {
			t.Errorf("%s: targets %v of type %d", text, offered, p.Type)
		}
	}
}

func TestOwnerTellsSinceWhen(t *testing.T) {
	s := startServer(t)
	owner := newClipboard(t, s.Display)
	if err := owner.Set(t.Context(), desktop.Clipboard, "x"); err != nil {
		t.Fatal(err)
	}
	p, _ := ask(t, s.Display, func(a *atoms) xproto.Atom { return a.timestamp }, nil)
	if since := owner.link.owned[owner.link.atoms.clipboard].since; p.Type != xproto.AtomInteger || len(p.Value) != 4 || xgb.Get32(p.Value) != uint32(since) {
		t.Errorf("got %v of type %d, want %d", p.Value, p.Type, since)
	}
}

func TestOwnerConvertsSeveralTargets(t *testing.T) {
	s := startServer(t)
	owner := newClipboard(t, s.Display)
	if err := owner.Set(t.Context(), desktop.Clipboard, "ü"); err != nil {
		t.Fatal(err)
	}
	p, l := ask(t, s.Display, func(a *atoms) xproto.Atom { return a.multiple }, func(l *link, w xproto.Window) {
		l.put(w, l.atoms.transfer, l.atoms.atomPair, []xproto.Atom{l.atoms.utf8, l.atoms.utf8, xproto.AtomPixmap, xproto.AtomPixmap, xproto.AtomString, xproto.AtomString})
	})
	pairs := words(p.Value)
	if len(pairs) != 6 || pairs[1] != l.atoms.utf8 || pairs[3] != xproto.AtomNone || pairs[5] != xproto.AtomString {
		t.Errorf("pairs %v", pairs)
	}
}
