package mcp

import (
	"fmt"

	"github.com/vmette/vmette-mcp/desktop"
)

// sight is what a model knows of a desktop. What it is told counts only once
// the answer can reach it: a call that its client cancelled has no answer.
type sight struct {
	seen    uint64       // the frame up to which it knows the whole screen; 0 before the first picture
	screen  desktop.Size // what its coordinates are aimed by; zero before the first picture
	notices []string     // of answers that did not reach it, for the next one
	past    history      // of what it may aim by
	count   numbering    // of frames
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

// observed takes in a look at the screen, and returns where it has changed since
// the model saw it. known is false when that is not known, as before it has seen
// anything and when f, the frame, is nil. A frame that does not follow the one
// before it may hide a change that nobody was told of.
func (c *Conversation) observed(id string, f *desktop.Frame) (changed []desktop.Rect, known bool) {
	if f == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sight(id)
	s.past.record(f)
	return s.past.since(s.seen)
}

// showed notes that the model was sent what it needs to know the whole screen as
// of a frame.
func (c *Conversation) showed(id string, frame uint64, screen desktop.Size) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sight(id)
	s.seen, s.screen = frame, screen
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
