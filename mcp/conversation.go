package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/vmette/vmette-mcp/sandbox"
)

// Conversation is one client's run of work. It makes desktops: one of its own,
// booted when it is first needed, and those that the client asks for; its reach
// says which of them end with it. It is safe for concurrent use; [Conversation.Close] must end it.
type Conversation struct {
	tenant   *tenant
	reach    reach
	key      string // of the line for its own desktop
	owner    string
	desktops Desktops
	images   Images
	log      *slog.Logger
	onOwn    func(id string) // is told of each desktop that becomes the own one; nil for nobody

	ctx    context.Context // of the boots; ends with the conversation
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // boots

	mu     sync.Mutex
	closed bool
	own    *boot              // of the conversation's own desktop; nil until it is needed
	made   map[string]bool    // desktops, and whether Close ends them
	held   map[string]pressed // by desktop

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

// Close ends the conversation: boots under way are given up and the desktops that it
// owns are ended, side by side; on those that stay, what it has left pressed is
// released. It returns when they are gone or ctx is
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

	defer c.tenant.leave(c)
	ends := c.ends()
	held := c.heldBeside(ends)
	errs := make(chan error, len(ends)+len(held))
	for _, id := range ends {
		go func() { errs <- doing("end desktop", c.desktops.End(ctx, c.owner, id)) }()
	}
	for _, id := range held {
		go func() { errs <- doing("release what is held down on a desktop", c.letGo(ctx, id)) }()
	}
	for range cap(errs) {
		if err := <-errs; !errors.Is(err, sandbox.ErrNoDesktop) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// ends returns the desktops that end with the conversation.
func (c *Conversation) ends() (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, ends := range c.made {
		if ends {
			ids = append(ids, id)
		}
	}
	return ids
}

// disown leaves all desktops of the conversation to the owner of Desktops.
func (c *Conversation) disown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.made {
		c.made[id] = false
	}
}

// Empty reports whether nothing ends with the conversation.
func (c *Conversation) Empty() bool {
	c.mu.Lock()
	starting := c.own != nil && !c.own.ended() || len(c.unclaimed) > 0
	c.mu.Unlock()
	return !starting && len(c.ends()) == 0
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

// named returns id, or for "" that of the conversation's own desktop, which it boots
// when there is none.
func (c *Conversation) named(ctx context.Context, id string, p *progress) (string, error) {
	switch {
	case id != "":
		return id, nil
	case c.reach == stateless:
		return "", errNoSession
	}
	b, err := c.ownBoot(ctx)
	if err != nil {
		return "", err
	}
	info, err := b.wait(ctx, p)
	return info.ID, err
}

// use leases the desktop with this id, or for "" the conversation's own, which
// it boots when there is none.
func (c *Conversation) use(ctx context.Context, id string, p *progress) (Desktop, error) {
	own := id == ""
	id, err := c.named(ctx, id, p)
	if err != nil {
		return nil, err
	}
	d, err := c.desktops.Acquire(ctx, c.owner, id)
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
		if c.own, err = c.start(cfg, false, ""); err != nil {
			return nil, err
		}
	}
	return c.own, nil
}

// create starts a desktop that the client asked for. It becomes the
// conversation's own when there is none yet. A client that gave up an earlier
// call, as some do after a minute, or was told to call again, gets what that one
// started if it is to reach the same, and so does one that sends the key of an earlier
// call; "" is none. It has the network n, or for nil that of new desktops.
func (c *Conversation) create(ctx context.Context, key string, n *sandbox.Network) (b *boot, own bool, err error) {
	cfg, err := c.images.Config(ctx)
	if err != nil {
		return nil, false, err
	}
	if n != nil {
		cfg.Network = *n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if key != "" {
		c.tenant.keying.Lock()
		defer c.tenant.keying.Unlock()
		if b := c.tenant.withKey(key); b != nil && n != nil && b.network != *n {
			return nil, false, errOtherNetwork
		} else if b != nil {
			return b, b == c.own || b.ready() && c.isOwn(b.info.ID), nil
		}
	}
	for i := 0; key == "" && i < len(c.unclaimed); {
		if b = c.unclaimed[i]; b.network != cfg.Network {
			i++
			continue
		}
		c.unclaimed = slices.Delete(c.unclaimed, i, i+1)
		if _, made := c.made[b.info.ID]; made || !b.ended() {
			return b, b == c.own, nil
		}
	}
	if b, err = c.start(cfg, true, key); err != nil {
		return nil, false, err
	}
	if own = c.own == nil && c.reach != stateless; own {
		c.own = b
	}
	return b, own, nil
}

// giveUp is told that the call that made b was given up, by the client or because it
// took too long, so that nobody learned its id.
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

var (
	errNoOwn     = errors.New("this conversation has no desktop of its own")
	errNoSession = errors.New("calls stand for themselves in this revision of the protocol, so the desktop must be named")
)

// forget drops what is kept of a desktop that is gone, and reports whether it
// was the conversation's own.
func (c *Conversation) forget(id string) (own bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.made, id)
	delete(c.held, id)
	c.tenant.forget(id)
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
	key := c.key
	if id != "" {
		key = c.tenant.line(id)
	}
	return c.tenant.turns.join(key)
}
