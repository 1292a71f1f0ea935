package sandbox

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Bounds on what a guest can make the host do by dialling it. Together they
// allow it four connections a second, and four that are silent: plenty for an
// agent that is restarted, too few to keep a host busy.
const (
	maxHandshakes = 4           // connections that have not said hello yet
	handshakePace = time.Second // that each connection counts against maxHandshakes at least
)

// agentGrace is how long a guest may be without its agent before it is given
// up: the agent's supervisor restarts it at once, an emulated guest needs some
// seconds for that.
const agentGrace = time.Minute

// accept takes the byte streams that the guest opens, until the session or
// the machine ends.
func (s *Session) accept() {
	slots := make(chan struct{}, maxHandshakes)
	for {
		select {
		case slots <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		conn, err := s.machine.Accept(s.ctx)
		if err != nil {
			return
		}
		s.wg.Go(func() {
			pace := time.NewTimer(handshakePace)
			defer pace.Stop()
			if err := s.greet(conn); err != nil {
				s.log.Warn("guest connection refused", "err", err)
			}
			select {
			case <-pace.C:
			case <-s.ctx.Done():
			}
			<-slots
		})
	}
}

// greet makes conn the control connection if the guest says the right hello
// on it, or what else it is to a guest without a desktop, and closes it
// otherwise.
func (s *Session) greet(conn net.Conn) error {
	if s.command != nil {
		return s.greetCommand(conn)
	}
	c, err := desktop.NewClient(s.ctx, conn, desktop.ClientConfig{Token: s.boot.Token, Resume: s.resume})
	if err != nil {
		return err
	}
	return s.adopt(c)
}

// adopt makes c the control connection in place of the one before.
func (s *Session) adopt(c *desktop.Client) error {
	s.mu.Lock()
	if s.end.Reason != "" {
		s.mu.Unlock()
		return errors.Join(ErrStopped, c.Close())
	}
	old := s.client
	s.client = c
	planned := old != nil && old == s.parted
	switch {
	case old == nil:
		s.watch.mark("guest agent ready")
	case !planned:
		if n := lostNotice(old.Hello(), c.Hello()); !slices.Contains(s.notices, n) {
			s.notices = append(s.notices, n)
		}
	}
	if got := c.Hello().Screen; got != s.cfg.Screen {
		s.log.Warn("the guest's screen has another size than it was told", "want", s.cfg.Screen, "got", got)
	}
	close(s.changed)
	s.changed = make(chan struct{})
	changed := s.changed
	s.mu.Unlock()

	if old != nil {
		s.log.Log(s.ctx, level(planned), "guest agent connected anew", "restarts", c.Hello().Restarts)
		old.Close() // nothing waits for its answer any more
	}
	s.wg.Go(func() { s.follow(c, changed) })
	return nil
}

// follow waits for the end of the control connection c, and then for another
// one, which closes changed. If none comes, the guest is given up.
func (s *Session) follow(c *desktop.Client, changed <-chan struct{}) {
	select {
	case <-c.Done():
	case <-s.ctx.Done():
		return
	}
	s.mu.Lock()
	planned := c == s.parted
	s.mu.Unlock()
	s.log.Log(s.ctx, level(planned), "lost the guest agent", "err", c.Err())
	grace := time.NewTimer(agentGrace)
	defer grace.Stop()
	select {
	case <-changed:
	case <-s.ctx.Done():
	case <-grace.C:
		s.finish(SessionEnd{Reason: EndError, Err: fmt.Errorf("the guest agent did not come back within %v: %w", agentGrace, c.Err())})
	}
}

// level returns how much the loss of a connection is worth telling.
func level(planned bool) slog.Level {
	if planned {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// lostNotice says what is lost when one control connection follows another.
func lostNotice(before, after desktop.Hello) string {
	lost := "Keys and buttons that were held down are released; an action that was under way may or may not have been done."
	if after.Restarts > before.Restarts {
		return "The desktop's agent was restarted. " + lost
	}
	return "The connection to the desktop was lost and made anew. " + lost
}
