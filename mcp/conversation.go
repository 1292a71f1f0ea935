package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/vmette/vmette-mcp/sandbox"
)

// Conversation is one client's run of work. It owns the desktops it makes:
// one of its own, booted when it is first needed, and those that the client
// asked for. It is safe for concurrent use; [Conversation.Close] must end it.
type Conversation struct {
	owner    string
	desktops Desktops
	images   Images
	log      *slog.Logger
	turns    queue

	ctx    context.Context // of the boots; ends with the conversation
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // boots

	mu     sync.Mutex
	closed bool
	own    *boot             // of the conversation's own desktop; nil until it is needed
	made   map[string]bool   // desktops that Close ends
	sights map[string]*sight // what the model knows of each desktop

	unclaimed []*boot // those whose desktop_create was given up, oldest first
}

// errClosed is why a call fails whose conversation has ended.
var errClosed = errors.New("the conversation has ended")

// goneError says that a desktop of this conversation no longer is.
type goneError struct {
	own bool
	err error
}

func (e *goneError) Error() string { return e.err.Error() }
func (e *goneError) Unwrap() error { return e.err }

// newConversation returns a conversation whose desktops belong to owner.
func (s *Server) newConversation(owner string) *Conversation {
	c := &Conversation{
		owner:    owner,
		desktops: s.cfg.Desktops,
		images:   s.cfg.Images,
		log:      s.log,
		made:     make(map[string]bool),
		sights:   make(map[string]*sight),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// Close ends the conversation: boots under way are given up and all its
// desktops are ended, side by side. It returns when they are gone or ctx is
// done; a boot that is not given up by then is left to the owner of Desktops.
func (c *Conversation) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel(errClosed)
	var all []error
	if err := wait(ctx, &c.wg); err != nil {
		all = append(all, fmt.Errorf("give up boots: %w", err))
	}

	c.mu.Lock()
	made := slices.Collect(maps.Keys(c.made))
	c.mu.Unlock()
	errs := make(chan error, len(made))
	for _, id := range made {
		go func() { errs <- c.desktops.End(ctx, c.owner, id) }()
	}
	for range made {
		if err := <-errs; err != nil && !errors.Is(err, sandbox.ErrNoDesktop) {
			all = append(all, fmt.Errorf("end desktop: %w", err))
		}
	}
	return errors.Join(all...)
}

// wait waits for wg, or until ctx is done.
func wait(ctx context.Context, wg *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// use leases the desktop with this id, or for "" the conversation's own, which
// it boots when there is none.
func (c *Conversation) use(ctx context.Context, id string, p *progress) (Desktop, error) {
	own := id == ""
	if own {
		b, err := c.ownBoot(ctx)
		if err != nil {
			return nil, err
		}
		info, err := b.wait(ctx, p)
		if err != nil {
			return nil, err
		}
		id = info.ID
	}
	d, err := c.desktops.Acquire(c.owner, id)
	if errors.Is(err, sandbox.ErrNoDesktop) {
		own = c.forget(id) || own
		return nil, &goneError{own, err}
	}
	if err != nil {
		return nil, err
	}
	c.claim(id)
	return &counted{Desktop: d, c: c, id: id}, nil
}

// claim notes that a desktop is in use: it is no new one for a desktop_create
// that is called again.
func (c *Conversation) claim(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unclaimed = slices.DeleteFunc(c.unclaimed, func(b *boot) bool { return b.ready() && b.info.ID == id })
}

// ownBoot returns the boot of the conversation's own desktop and starts it when
// there is none.
func (c *Conversation) ownBoot(ctx context.Context) (*boot, error) {
	c.mu.Lock()
	b := c.own
	c.mu.Unlock()
	if b != nil {
		return b, nil
	}
	cfg, err := c.images.Config(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own == nil {
		if c.own, err = c.start(cfg); err != nil {
			return nil, err
		}
	}
	return c.own, nil
}

// create starts a desktop that the client asked for. It becomes the
// conversation's own when there is none yet. A client that gave up an earlier
// call, as some do after a minute, gets what that one started.
func (c *Conversation) create(ctx context.Context) (b *boot, own bool, err error) {
	cfg, err := c.images.Config(ctx)
	if err != nil {
		return nil, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.unclaimed) > 0 {
		b, c.unclaimed = c.unclaimed[0], c.unclaimed[1:]
		if !b.ended() || c.made[b.info.ID] {
			return b, b == c.own, nil
		}
	}
	b, err = c.start(cfg)
	if own = c.own == nil; own {
		c.own = b
	}
	return b, own, err
}

// giveUp is told that the client gave up the call that made b, and so never
// learned its id.
func (c *Conversation) giveUp(b *boot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unclaimed = append(c.unclaimed, b)
}

// end ends the desktop with this id, or for "" the conversation's own, also
// while it boots.
func (c *Conversation) end(ctx context.Context, id string) (string, error) {
	if id == "" {
		c.mu.Lock()
		b := c.own
		c.mu.Unlock()
		if b == nil {
			return "", errNoOwn
		}
		b.cancel(errBootClosed)
		info, err := b.wait(ctx, nil)
		if err != nil {
			return "", err
		}
		id = info.ID
	}
	err := c.desktops.End(ctx, c.owner, id)
	if err == nil || errors.Is(err, sandbox.ErrNoDesktop) {
		c.forget(id)
	}
	return id, err
}

var errNoOwn = errors.New("this conversation has no desktop of its own")

// forget drops what is kept of a desktop that is gone, and reports whether it
// was the conversation's own.
func (c *Conversation) forget(id string) (own bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.made, id)
	delete(c.sights, id)
	if own = c.isOwn(id); own {
		c.own = nil
	}
	return own
}

// isOwn reports whether id is the conversation's own desktop. The caller holds
// mu.
func (c *Conversation) isOwn(id string) bool {
	return c.own != nil && c.own.ready() && c.own.info.ID == id
}

// ownID returns the id of the conversation's own desktop, "" when there is none.
func (c *Conversation) ownID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own != nil && c.own.ready() {
		return c.own.info.ID
	}
	return ""
}

// turn joins the line of the desktop that a call is for. The conversation's own
// has one line, however it is named.
func (c *Conversation) turn(id string) *turn {
	if id == c.ownID() {
		id = ""
	}
	return c.turns.join(id)
}
