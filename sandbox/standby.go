package sandbox

import (
	"context"
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// standby is a sandbox in the pool.
type standby struct {
	id      string
	session *Session
	booking *booking
	left    chan struct{} // closed when it is not in the pool any more
	since   moment        // when its guest was told the time
}

const (
	// checkLimit is how long a standby may take to show that it is alive.
	checkLimit = 2 * time.Second
	// clockSlack is by how much a guest's clock may be wrong because the host slept or
	// its clock was set.
	clockSlack = 500 * time.Millisecond
)

// check reports why s is not as good as one that is started now.
func (s *standby) check(ctx context.Context) error {
	if wrong := s.since.strayed(now()); wrong.Abs() > clockSlack {
		return fmt.Errorf("its clock is wrong by %v: the host slept, or its clock was set", wrong)
	}
	// One that does not answer does not answer a cancel either.
	silent := fmt.Errorf("%w: no answer within %v", ErrTimeout, checkLimit)
	limit := time.AfterFunc(checkLimit, func() { s.session.finish(SessionEnd{Reason: EndError, Err: silent}) })
	_, err := s.session.Do(ctx, desktop.CursorPosition{}, desktop.Observe{})
	if !limit.Stop() {
		return silent
	}
	return err
}

func (s *standby) end() {
	s.session.Stop()
	s.booking.cancel()
}

// moment is one on both clocks of the host: the one that stands still while the host
// sleeps, as those of guests do, and the one on the wall.
type moment struct{ running, wall time.Time }

func now() moment {
	t := time.Now()
	return moment{t, t.Round(0)}
}

// strayed returns by how much the two clocks differ since m.
func (m moment) strayed(now moment) time.Duration {
	return now.wall.Sub(m.wall) - now.running.Sub(m.running)
}
