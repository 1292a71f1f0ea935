package mcp

import (
	"fmt"

	"github.com/vmette/vmette-mcp/desktop"
)

// sight is what is known of a desktop: how its screen came to look as it does, and
// what the models of conversations know of it.
type sight struct {
	past   history   // of what may be aimed by
	count  numbering // of frames
	models map[*Conversation]*model
}

// model is what the model of one conversation knows of a desktop. What it is
// told counts only once the answer can reach it: a call that its client cancelled
// has no answer.
type model struct {
	seen    uint64       // the frame up to which it knows the whole screen; 0 before the first picture
	screen  desktop.Size // what its coordinates are aimed by; zero before the first picture
	notices []string     // of answers that did not reach it, for the next one
}

// sight returns what is known of a desktop, and by the model. The caller holds
// mu of the tenant.
func (c *Conversation) sight(id string) (*sight, *model) {
	s := c.tenant.sight(id)
	m := s.models[c]
	if m == nil {
		m = new(model)
		s.models[c] = m
	}
	return s, m
}

// observed takes in a look at the screen, and returns where it has changed since
// the model saw it. known is false when that is not known, as before it has seen
// anything and when f, the frame, is nil. A frame that does not follow the one
// before it may hide a change that nobody was told of.
func (c *Conversation) observed(id string, f *desktop.Frame) (changed []desktop.Rect, known bool) {
	if f == nil {
		return nil, false
	}
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	s, m := c.sight(id)
	s.past.record(f)
	return s.past.since(m.seen)
}

// showed notes that the model was sent what it needs to know the whole screen as
// of a frame.
func (c *Conversation) showed(id string, frame uint64, screen desktop.Size) {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	s, m := c.sight(id)
	m.seen, m.screen = frame, screen
	s.past.reach(frame)
}

// sameAt reports how the screen differs around a point from what it was in a
// frame.
func (c *Conversation) sameAt(id string, p desktop.Point, frame uint64) error {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	return c.tenant.sight(id).past.same(p, frame)
}

// aimedBy reports an action with coordinates whose model has last seen a screen
// of another size.
func (c *Conversation) aimedBy(id string, a desktop.Action, screen desktop.Size) error {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	_, m := c.sight(id)
	if s := m.screen; hasPoints(a) && s != (desktop.Size{}) && s != screen {
		return fmt.Errorf("the screen is now %v pixels, but the last picture of it that was sent is of %v: take a screenshot and send coordinates in it", screen, s)
	}
	return nil
}

// keepNotices keeps notices that did not reach the model: the first ones, when
// there are too many.
func (c *Conversation) keepNotices(id string, list []string) {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	_, m := c.sight(id)
	m.notices = notices(append(m.notices, list...))
}

// takeNotices returns the notices that did not reach the model.
func (c *Conversation) takeNotices(id string) []string {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	_, m := c.sight(id)
	list := m.notices
	m.notices = nil
	return list
}
