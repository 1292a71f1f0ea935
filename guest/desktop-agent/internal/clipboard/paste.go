package clipboard

import (
	"context"
	"fmt"
	"time"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

const (
	// tick is longer than the unit of the server's clock. Who asks for a
	// selection says at which time: what was asked for before the keys were
	// pressed, as programs do that show or keep what was copied, is no paste.
	tick = 2 * time.Millisecond
	// unread is how long a text that went in one piece may lie in a property
	// without being deleted until it is taken for read. Programs must delete it,
	// but not all do.
	unread = time.Second
)

// paste is a text that an application is to fetch. The link's mu guards it.
type paste struct {
	focus   uint32 // the client that has the focus, or 0 for any
	pressed bool   // whether the keys have been
	taken   bool   // somebody else has become the owner of the clipboard
	size    int    // of the text, in the encoding that was asked for first
	sent    int    // bytes of it; more than size when it was asked for twice

	moved chan struct{} // has a value when something was sent
	done  chan struct{} // closed when it has been fetched whole
}

// Paste makes text the content of both selections, calls press, which is to make
// the application with the focus ask for it, and returns when that has it all.
// When it fails, the text is given up and cannot be fetched any more.
func (c *Clipboard) Paste(ctx context.Context, text string, press func() error) error {
	return c.alone(ctx, func(l *link) error {
		focus, err := l.focused()
		if err != nil {
			return err
		}
		when, err := l.now(ctx)
		if err != nil {
			return err
		}
		offer := &content{text: text, since: when, paste: &paste{focus: focus.client, moved: make(chan struct{}, 1), done: make(chan struct{})}}
		if err := l.own(l.atoms.clipboard, offer); err != nil {
			return err
		}
		both, err := l.takesPrimary(focus)
		if err == nil && both {
			err = l.own(xproto.AtomPrimary, offer)
		}
		if err == nil {
			err = l.offer(ctx, offer, press)
		}
		if err != nil {
			l.withdraw(offer)
		}
		return err
	})
}

// offer has the keys pressed and waits until the text has been fetched.
func (l *link) offer(ctx context.Context, c *content, press func() error) error {
	timer := time.NewTimer(tick)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return desktop.Errorf(desktop.CodeCancelled, "stopped before the keys were pressed; nothing was pasted")
	}
	l.mu.Lock()
	c.paste.pressed = true
	l.mu.Unlock()
	if err := press(); err != nil {
		return err
	}
	timer.Reset(answerLimit)
	for {
		select {
		case <-c.paste.done:
			return nil
		case <-c.paste.moved:
			l.mu.Lock()
			whole := c.paste.size <= chunk
			l.mu.Unlock()
			if whole {
				timer.Reset(unread)
			} else {
				timer.Reset(answerLimit)
			}
		case <-timer.C:
			return l.unfetched(c.paste)
		case <-l.c.Done():
			return l.c.Err()
		case <-ctx.Done():
			return l.interrupted(c.paste)
		}
	}
}

// unfetched is how a paste ended that has made no progress for its time.
func (l *link) unfetched(p *paste) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case p.sent > 0 && p.size <= chunk:
		return nil
	case p.sent > 0:
		return desktop.Errorf(desktop.CodeNotDelivered, "the application fetched %d of %d bytes and then stopped: look at what it shows before going on", min(p.sent, p.size), p.size)
	case p.taken:
		return desktop.Errorf(desktop.CodeUnknown, "another program took the clipboard over, so whether the text was pasted is not known: take a screenshot and look")
	}
	return desktop.Errorf(desktop.CodeNotDelivered, "the application with the keyboard focus did not ask for the text within %v of Shift+Insert, so it was not pasted: click into a text field first, or use type", answerLimit)
}

func (l *link) interrupted(p *paste) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.sent > 0 {
		return desktop.Errorf(desktop.CodeCancelled, "stopped on request when the application had fetched %d of %d bytes", min(p.sent, p.size), p.size)
	}
	return desktop.Errorf(desktop.CodeCancelled, "stopped on request; nothing was pasted")
}

// withdraw gives up what a paste had offered.
func (l *link) withdraw(c *content) {
	for _, selection := range []xproto.Atom{l.atoms.clipboard, xproto.AtomPrimary} {
		if l.disown(selection, c) {
			xproto.SetSelectionOwner(l.c.Conn, xproto.WindowNone, selection, c.since)
		}
	}
	l.mu.Lock()
	for to, t := range l.sending {
		if t.paste == c.paste {
			l.drop(to)
		}
	}
	l.mu.Unlock()
	_ = l.c.Sync() // a connection that has ended owns nothing
}

// follow returns the paste if a request for its text is the one that it waits
// for: made since the keys were pressed, by the client with the focus or, as
// there are applications of several clients, by another one that names a time.
func (p *paste) follow(l *link, e xproto.SelectionRequestEvent) *paste {
	if p == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.owned[e.Selection]
	late := e.Time != 0 && c != nil && before(c.since, e.Time)
	ours := p.focus == 0 || p.focus == l.c.Client(uint32(e.Requestor))
	if !p.pressed || !(late || ours && e.Time == 0) {
		return nil
	}
	return p
}

// begin is told how long the text is that is about to be sent.
func (p *paste) begin(size int) {
	if p != nil && p.size == 0 {
		p.size = size
	}
}

// progress is told that n bytes more have been sent, or that all were fetched.
func (p *paste) progress(n int, whole bool) {
	if p == nil {
		return
	}
	p.sent += n
	select {
	case p.moved <- struct{}{}:
	default:
	}
	if whole {
		select {
		case <-p.done:
		default:
			close(p.done)
		}
	}
}

// focus is the window that gets the keys.
type focus struct {
	window xproto.Window
	client uint32 // 0 when the window is not known
}

func (l *link) focused() (focus, error) {
	r, err := x11.Reply(l.c, xproto.GetInputFocus(l.c.Conn))
	switch {
	case err != nil:
		return focus{}, fmt.Errorf("ask for the focus: %w", err)
	case r.Focus == xproto.InputFocusNone:
		return focus{}, desktop.Errorf(desktop.CodeInvalid, "no window has the keyboard focus, nothing was pasted: click into the one that is meant first")
	case r.Focus == xproto.InputFocusPointerRoot || r.Focus == l.c.Root:
		return focus{}, nil
	}
	return focus{r.Focus, l.c.Client(uint32(r.Focus))}, nil
}
