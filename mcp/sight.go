package mcp

import (
	"fmt"

	"github.com/vmette/vmette-mcp/desktop"
)

// sight is what a model knows of a desktop. What it is told counts only once
// the answer can reach it: a call that its client cancelled has no answer.
type sight struct {
	frame   uint64       // the screen still looks as in the picture of this frame, which it has; 0 when not
	screen  desktop.Size // what its coordinates are aimed by; zero before the first picture
	notices []string     // of answers that did not reach it, for the next one
	past    history      // of what it may aim by
}

// sight returns what is known of a desktop. The caller holds mu.
func (c *Conversation) sight(id string) *sight {
	s := c.sights[id]
	if s == nil {
		s = new(sight)
		c.sights[id] = s
	}
	return s
}

// observed takes a look at the screen, which was no look when f is nil, and
// reports whether the model has its present picture. A frame that does not
// follow the one that the model has may hide a change that nobody was told of.
func (c *Conversation) observed(id string, f *desktop.Frame) (current bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sight(id)
	if f != nil {
		s.past.record(f)
	}
	switch {
	case f == nil || s.frame == 0:
	case unchanged(f) && f.Base == s.frame:
		s.frame = f.Number
	default:
		s.frame = 0
	}
	return s.frame != 0
}

// unknown notes that the screen may have changed unseen.
func (c *Conversation) unknown(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sight(id).frame = 0
}

// showed notes that the model was sent the picture of a frame of the whole
// screen.
func (c *Conversation) showed(id string, frame uint64, screen desktop.Size) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sight(id)
	s.frame, s.screen = frame, screen
	s.past.reach(frame)
}

// sameAt reports how the screen differs around a point from what it was in a
// frame.
func (c *Conversation) sameAt(id string, p desktop.Point, frame uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sight(id).past.same(p, frame)
}

// aimedBy reports an action with coordinates whose model has last seen a screen
// of another size.
func (c *Conversation) aimedBy(id string, a desktop.Action, screen desktop.Size) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sight(id).screen; hasPoints(a) && s != (desktop.Size{}) && s != screen {
		return fmt.Errorf("the screen is now %v pixels, but the last picture of it that was sent is of %v: take a screenshot and send coordinates in it", screen, s)
	}
	return nil
}

// keepNotices keeps notices that did not reach the model: the first ones, when
// there are too many.
func (c *Conversation) keepNotices(id string, list []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sight(id)
	s.notices = notices(append(s.notices, list...))
}

// takeNotices returns the notices that did not reach the model.
func (c *Conversation) takeNotices(id string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sight(id)
	list := s.notices
	s.notices = nil
	return list
}
