package clipboard

import (
	"context"
	"errors"
	"time"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// Clipboard is the selections of one display. It connects when it is first used,
// and again when the X server has been restarted. It is safe for concurrent use;
// one thing is done at a time. Close it.
type Clipboard struct {
	display string
	turn    chan struct{} // holds a value while something is done; guards the rest
	link    *link         // nil before the first use
	closed  bool
}

// New returns the Clipboard of a display such as ":0".
func New(display string) *Clipboard {
	return &Clipboard{display: display, turn: make(chan struct{}, 1)}
}

// Close gives up what was set. It waits for what is under way.
func (c *Clipboard) Close() {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	c.closed = true
	if c.link != nil {
		c.link.close()
		c.link = nil
	}
}

// alone does something with the connection while nothing else is done. The
// errors of all methods are *desktop.Error.
func (c *Clipboard) alone(ctx context.Context, do func(*link) error) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return desktop.Errorf(desktop.CodeCancelled, "stopped before it began; nothing was done")
	}
	defer func() { <-c.turn }()
	if err := c.connect(ctx); err != nil {
		return desktop.Errorf(desktop.CodeUnavailable, "the clipboard cannot be reached, nothing was done: %v", err)
	}
	err := do(c.link)
	var known *desktop.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case ctx.Err() != nil:
		return desktop.Errorf(desktop.CodeCancelled, "stopped on request")
	case c.link.c.Err() != nil:
		return desktop.Errorf(desktop.CodeUnavailable, "the X server went away: wait a moment and try again")
	}
	return desktop.Errorf(desktop.CodeInternal, "%v", err)
}

func (c *Clipboard) connect(ctx context.Context) error {
	switch {
	case c.closed:
		return errors.New("it is closed")
	case c.link != nil && c.link.c.Err() == nil:
		return nil
	case c.link != nil:
		c.link.close()
		c.link = nil
	}
	// The connection is for those that come later too.
	l, err := open(context.WithoutCancel(ctx), c.display)
	if err != nil {
		return err
	}
	c.link = l
	return nil
}

// Get returns the text of a selection, as valid UTF-8. It is empty when the
// selection is, or is no text.
func (c *Clipboard) Get(ctx context.Context, s desktop.Selection) (text []byte, err error) {
	err = c.alone(ctx, func(l *link) error {
		ctx, cancel := context.WithTimeoutCause(ctx, fetchLimit, errSlow)
		defer cancel()
		var err error
		text, err = l.get(ctx, l.selection(s))
		return err
	})
	return text, err
}

// Set makes text the content of a selection; an empty one clears it.
func (c *Clipboard) Set(ctx context.Context, s desktop.Selection, text string) error {
	return c.alone(ctx, func(l *link) error {
		when, err := l.now(ctx)
		if err != nil {
			return err
		}
		if text == "" {
			return l.clear(l.selection(s), when)
		}
		return l.own(l.selection(s), &content{text: text, since: when})
	})
}

// selection returns the atom of a selection.
func (l *link) selection(s desktop.Selection) xproto.Atom {
	if s == desktop.Primary {
		return xproto.AtomPrimary
	}
	return l.atoms.clipboard
}

// Times that the owner of a selection is given.
const (
	answerLimit = 10 * time.Second // for each step
	fetchLimit  = time.Minute      // for all of it
)

var (
	errSilent = errors.New("no answer")
	errSlow   = errors.New("too slow")
)
