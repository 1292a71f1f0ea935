package mcp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
)

// pressed is what a conversation has left pressed on a desktop: buttons and keys, by
// the action that releases them.
type pressed map[desktop.Action]bool

// note notes what an action presses, and what it releases when it is done.
func (p pressed) note(a desktop.Action, done bool) {
	switch a := a.(type) {
	case desktop.Batch:
		for _, s := range a.Actions {
			p.note(s.Action, done)
		}
	case desktop.ButtonDown:
		p[desktop.ButtonUp(a)] = true
	case desktop.KeyDown:
		p[desktop.KeyUp{Keys: strings.ToLower(a.Keys)}] = true
	case desktop.ButtonUp:
		if done {
			delete(p, a)
		}
	case desktop.KeyUp:
		if done {
			delete(p, desktop.KeyUp{Keys: strings.ToLower(a.Keys)})
		}
	}
}

// hold notes what an action on a desktop leaves pressed: before it is sent, as nobody
// knows what was done of one that fails, and again when it is done. Calls that stand for
// themselves have no end at which it could be released.
func (c *Conversation) hold(id string, a desktop.Action, done bool) {
	if c.reach == stateless {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.held[id]
	if p == nil {
		p = make(pressed)
	}
	if p.note(a, done); len(p) > 0 {
		c.held[id] = p
	} else {
		delete(c.held, id)
	}
}

// heldBeside returns the desktops that run on without the conversation, but for
// those in ends, and on which it has left something pressed, as far as is known. One that is
// suspended was let go of then.
func (c *Conversation) heldBeside(ends []string) (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) == 0 {
		return nil
	}
	for _, info := range c.desktops.List(c.owner) {
		if len(c.held[info.ID]) > 0 && !info.Suspended && !slices.Contains(ends, info.ID) {
			ids = append(ids, info.ID)
		}
	}
	return ids
}

// letGo releases what is held down on a desktop.
func (c *Conversation) letGo(ctx context.Context, id string) error {
	d, err := c.desktops.Acquire(ctx, c.owner, id)
	if err != nil {
		return err
	}
	defer d.Release()
	_, err = d.Do(ctx, desktop.Release{}, desktop.Observe{})
	return err
}

// doing says what an error came of; nil stays nil.
func doing(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
