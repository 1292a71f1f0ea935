package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// pool keeps sandboxes that nobody has yet, so that a create has only to take one:
// started from a template, settled, and with their first picture on the host. Each
// is handed out once, and what was handed out does not come back.
//
// They are there for users and never in their way: they take only room that is
// free, give it back when a user wants it for something else, and none is started
// while a user's sandbox is. One goroutine starts them, one at a time.
type pool struct {
	m    *Manager
	want int
	log  *slog.Logger
	wake chan struct{} // has room for one: something is not as it was

	mu       sync.Mutex
	cfg      Config     // of all of them; the zero value before it is known
	ready    []*standby // oldest first
	changed  chan struct{}
	filling  *attempt // the start of another one; nil for none
	starting int      // users' sandboxes that are being started
	failed   int      // times in a row

	// None is started before the last of these.
	failing time.Time // after failures
	crowded time.Time // without room, unless some is given back
	quiet   time.Time // after a user's sandbox was started
}

// attempt is something in the making that gives way to users.
type attempt struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when it is made, or nothing is left of it
}

// giveUp returns when nothing is left of it, unless it was made before.
func (a *attempt) giveUp() {
	a.cancel()
	<-a.done
}

const (
	// fillPause is how long after a user's sandbox was started the next one for the
	// pool is: its user is about to look at it.
	fillPause = time.Second
	// fillBackoff and maxFillBackoff are how long nothing is started after it has
	// failed once, and most.
	fillBackoff    = time.Second
	maxFillBackoff = 5 * time.Minute
	// keepStandby is how long one is kept: clocks of guests are not exact.
	keepStandby = 30 * time.Minute
	// crowdedPause is how long to wait where there is no room: of memory that other
	// programs give back nobody tells.
	crowdedPause = 30 * time.Second
)

func newPool(m *Manager, want int) *pool {
	return &pool{m: m, want: want, log: m.log, wake: make(chan struct{}, 1), changed: make(chan struct{})}
}

// keep says what the sandboxes are to be like. Those of another config go.
func (p *pool) keep(cfg Config) {
	p.mu.Lock()
	p.cfg = cfg.WithDefaults()
	p.mu.Unlock()
	p.stir()
}

// stir has run look at how things are.
func (p *pool) stir() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run fills the pool until the manager closes, and then empties it.
func (p *pool) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.m.ctx.Done():
			p.end(p.without(func(*standby) bool { return true }))
			return
		case <-p.wake:
		case <-timer.C:
		}
		p.end(p.without(p.stale))
		rest := p.refill()
		if rest >= 0 {
			timer.Reset(rest)
		}
	}
}

// stale reports whether s is not to be handed out any more. The caller holds mu.
func (p *pool) stale(s *standby) bool {
	return !s.session.cfg.Equal(p.cfg) || time.Since(s.since.running) >= keepStandby
}

// refill starts one sandbox if one is missing and may be started. It returns when to
// look again at the latest, negative for never.
func (p *pool) refill() time.Duration {
	p.mu.Lock()
	switch rest := max(time.Until(p.failing), time.Until(p.crowded), time.Until(p.quiet)); {
	case p.cfg.Equal(Config{}) || p.starting > 0:
		p.mu.Unlock()
		return -1
	case len(p.ready) >= p.want:
		rest = keepStandby - time.Since(p.ready[0].since.running)
		p.mu.Unlock()
		return rest
	case rest > 0:
		p.mu.Unlock()
		return rest
	}
	ctx, cancel := context.WithCancel(p.m.ctx)
	defer cancel()
	f := &attempt{cancel: cancel, done: make(chan struct{})}
	p.filling = f
	cfg := p.cfg
	p.mu.Unlock()

	s, err := p.start(ctx, cfg)
	p.mu.Lock()
	p.filling = nil
	switch {
	case err == nil:
		p.ready = append(p.ready, s)
		p.m.wg.Go(func() { p.follow(s) })
		p.change()
	case ctx.Err() != nil:
	case errors.Is(err, ErrCapacity):
		p.crowded = time.Now().Add(crowdedPause)
	case errors.Is(err, ErrUnsupported):
		p.cfg = Config{}
	default:
		p.backOff()
	}
	close(f.done)
	p.mu.Unlock()
	switch {
	case err == nil, ctx.Err() != nil:
	case errors.Is(err, ErrNoTemplate), errors.Is(err, ErrUnusable):
		p.m.buildTemplate(cfg) // and stir, when it is made
	case errors.Is(err, ErrCapacity):
		p.log.Debug("no room for a warm sandbox", "err", err)
	case errors.Is(err, ErrUnsupported):
		p.log.Warn("no sandbox is kept warm, as none can be saved here", "reason", err)
	default:
		p.log.Warn("warm sandbox is not started", "err", err)
	}
	return 0
}

// start starts a sandbox from its template and looks at it until it has settled.
func (p *pool) start(ctx context.Context, cfg Config) (_ *standby, err error) {
	booking, err := p.m.room.take(cfg.MemoryMiB)
	if err != nil {
		return nil, err
	}
	s := &standby{id: newSecret(), booking: booking, left: make(chan struct{}), since: now()}
	s.session, err = p.m.fromTemplate(ctx, cfg, p.m.startOptions(s.id, nil))
	if err != nil {
		booking.cancel()
		return nil, err
	}
	booking.weigh(resident(s.session.machine))
	for range looks {
		if _, err := s.session.Do(ctx, desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled}); err != nil {
			s.end()
			return nil, fmt.Errorf("look at a warm sandbox: %w", err)
		}
	}
	return s, nil
}

// looks is how often one looks at a warm sandbox. The first gets the whole picture; an
// emulated processor has by the last translated what a user's own first look takes.
const looks = 3

// follow takes s out of the pool should it end.
func (p *pool) follow(s *standby) {
	select {
	case <-s.left:
		return
	case <-s.session.Done():
	}
	if gone := p.without(func(o *standby) bool { return o == s }); len(gone) > 0 {
		s.booking.cancel()
		p.log.Warn("warm sandbox has ended", "end", s.session.ending())
		p.mu.Lock()
		p.backOff()
		p.mu.Unlock()
		p.stir()
	}
}

// backOff notes a failure. The caller holds mu.
func (p *pool) backOff() {
	p.failing = time.Now().Add(min(fillBackoff<<min(p.failed, 16), maxFillBackoff))
	p.failed++
}

// retry has a sandbox be started as if none had failed.
func (p *pool) retry() {
	p.mu.Lock()
	p.failed, p.failing = 0, time.Time{}
	p.mu.Unlock()
	p.stir()
}

// freed tells that room was given back.
func (p *pool) freed() {
	p.mu.Lock()
	p.crowded = time.Time{}
	p.mu.Unlock()
	p.stir()
}

// take returns a sandbox that serves for cfg, and is the caller's from then on: nil when
// there is none that lives.
func (p *pool) take(ctx context.Context, cfg Config) *standby {
	for {
		p.mu.Lock()
		p.pause()
		p.mu.Unlock()
		s := p.first(cfg)
		if s == nil {
			return nil
		}
		err := s.check(ctx)
		if err == nil {
			p.mu.Lock()
			p.failed = 0
			p.mu.Unlock()
			return s
		}
		p.log.Warn("warm sandbox is not handed out", "err", err)
		s.end()
	}
}

// serves reports whether a sandbox of c can be made one of want: they differ at most in
// where they may reach.
func (c Config) serves(want Config) bool {
	if c.Network.On() && want.Network.On() {
		c.Network = want.Network
	}
	return c.Equal(want)
}

// first takes the oldest sandbox that serves for cfg out of the pool, nil for none.
func (p *pool) first(cfg Config) *standby {
	var first *standby
	p.without(func(s *standby) bool {
		if first == nil && s.session.cfg.serves(cfg) && !p.stale(s) {
			first = s
		}
		return s == first
	})
	return first
}

// stepAside keeps the pool from starting sandboxes while a user's starts, which done
// tells the end of. One that is being started is given up.
func (p *pool) stepAside() (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting++
	if p.filling != nil {
		p.filling.cancel()
	}
	return func() {
		p.mu.Lock()
		p.starting--
		p.pause()
		p.mu.Unlock()
		p.stir()
	}
}

// pause leaves the processors to who has just got a sandbox. The caller holds mu.
func (p *pool) pause() {
	p.quiet = time.Now().Add(fillPause)
}

// makeWay gives back the room of one sandbox. It reports false when the pool has none.
func (p *pool) makeWay() bool {
	p.mu.Lock()
	if f := p.filling; f != nil {
		p.mu.Unlock()
		f.giveUp()
		return true
	}
	p.mu.Unlock()
	last := p.without(func(s *standby) bool { return s == p.ready[len(p.ready)-1] })
	p.end(last)
	return len(last) > 0
}

// without takes those of which go says so out of the pool, and returns them. go is
// called with mu held.
func (p *pool) without(goes func(*standby) bool) (gone []*standby) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stay := make([]*standby, 0, len(p.ready))
	for _, s := range p.ready {
		if goes(s) {
			close(s.left)
			gone = append(gone, s)
		} else {
			stay = append(stay, s)
		}
	}
	if p.ready = stay; len(gone) > 0 {
		p.change()
		p.stir()
	}
	return gone
}

// end ends sandboxes that have left the pool, all at once.
func (p *pool) end(list []*standby) {
	for _, s := range list {
		s.session.finish(SessionEnd{Reason: EndStopped})
	}
	for _, s := range list {
		s.end()
	}
}

// change wakes who waits in await. The caller holds mu.
func (p *pool) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Warm returns when as many sandboxes are kept warm as are to be, or ctx is done, or
// the manager closes.
func (m *Manager) Warm(ctx context.Context) error { return m.pool.await(ctx) }

// await returns when the pool is full.
func (p *pool) await(ctx context.Context) error {
	for {
		p.mu.Lock()
		full, changed := len(p.ready) >= p.want, p.changed
		p.mu.Unlock()
		if full {
			return nil
		}
		select {
		case <-changed:
		case <-p.m.ctx.Done():
			return ErrStopped
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
