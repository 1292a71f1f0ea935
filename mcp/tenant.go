package mcp

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// tenant is one client, as far as rights are concerned: whose desktops are, who
// may name them, and what all conversations of it share. Two of them that use
// one desktop take turns on it.
type tenant struct {
	s       *Server
	name    string
	account *quota.Account // nil bounds nothing
	life    time.Duration  // of a desktop; 0 means without end
	turns   queue          // a line for each desktop

	keying sync.Mutex // held from the search for a key to its being known

	mu       sync.Mutex
	starting int                    // desktops on their way
	lines    map[string]string      // keys of lines in turns, of desktops that have another one than their id
	sights   map[string]*sight      // what is known of each desktop
	ends     map[string]*time.Timer // of lives of desktops
	keyed    map[string]*boot       // under way, by the idempotency keys of desktop_create
}

func (s *Server) newTenant(name string, account *quota.Account) *tenant {
	return &tenant{
		s:       s,
		name:    name,
		account: account,
		lines:   make(map[string]string),
		sights:  make(map[string]*sight),
		ends:    make(map[string]*time.Timer),
		keyed:   make(map[string]*boot),
	}
}

// withKey returns what a desktop_create with the same key started, nil when that
// is gone or has failed.
func (t *tenant) withKey(key string) *boot {
	t.mu.Lock()
	b := t.keyed[key]
	t.mu.Unlock()
	if b != nil && !b.ended() {
		return b
	}
	for _, info := range t.s.cfg.Desktops.List(t.name) {
		if info.Key == key {
			return bootedBefore(info)
		}
	}
	return nil
}

// starts notes that a desktop_create with a key is starting a desktop, until started is
// called. From then on the desktop bears the key itself.
func (t *tenant) starts(key string, b *boot) {
	if key == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keyed[key] = b
}

func (t *tenant) started(key string, b *boot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keyed[key] == b { // and not another one, after this has failed
		delete(t.keyed, key)
	}
}

// born begins the life of a desktop.
func (t *tenant) born(id string) { t.lives(id, t.life) }

// takeBack lets desktops that a server before this one made live on.
func (t *tenant) takeBack() {
	for _, info := range t.s.cfg.Desktops.List(t.name) {
		if info.TakenBack {
			t.lives(info.ID, max(0, t.life-time.Since(info.Created)))
		}
	}
}

// lives has a desktop end after a while, if desktops do.
func (t *tenant) lives(id string, rest time.Duration) {
	if t.life == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ends[id] = time.AfterFunc(rest, func() {
		ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
		defer cancel()
		// One that does not end in time ends nevertheless.
		if t.s.cfg.Desktops.End(ctx, t.name, id) == nil {
			t.s.log.Info("a desktop has reached its maximum age", "client", t.name)
		}
		t.forget(id)
	})
}

// outlive leaves the ends of all desktops to the owner of Desktops.
func (t *tenant) outlive() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, end := range t.ends {
		end.Stop()
		delete(t.ends, id)
	}
}

// reserve counts a desktop as on its way until done is called, unless the client
// has too many.
func (t *tenant) reserve() (done func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.account != nil {
		if err := t.account.Desktop(len(t.s.cfg.Desktops.List(t.name)) + t.starting); err != nil {
			return nil, err
		}
	}
	t.starting++
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.starting--
	}), nil
}

// call counts a call of a tool.
func (t *tenant) call() error {
	if t.account == nil {
		return nil
	}
	return t.account.Call()
}

// line returns the key of the line for a desktop.
func (t *tenant) line(id string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if key, ok := t.lines[id]; ok {
		return key
	}
	return id
}

// lineUp gives a desktop the line with this key: that of those who waited for it
// before it had an id.
func (t *tenant) lineUp(id, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines[id] = key
}

// forget drops what is kept of a desktop that is gone.
func (t *tenant) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(id)
}

// drop is forget for a caller who holds mu.
func (t *tenant) drop(id string) {
	delete(t.lines, id)
	delete(t.sights, id)
	if end := t.ends[id]; end != nil {
		end.Stop()
		delete(t.ends, id)
	}
}

// maxSights is how many desktops are known before it is looked which of them are
// gone.
const maxSights = 64

// sight returns what is known of a desktop. The caller holds mu.
func (t *tenant) sight(id string) *sight {
	s := t.sights[id]
	if s != nil {
		return s
	}
	s = &sight{models: make(map[*Conversation]*model)}
	there := make(map[string]bool)
	for _, info := range t.s.cfg.Desktops.List(t.name) {
		there[info.ID] = true
		if info.ID == id && info.TakenBack {
			s.count = anotherNumbering()
		}
	}
	if len(t.sights) >= maxSights {
		for old := range t.sights {
			if !there[old] {
				t.drop(old)
			}
		}
	}
	t.sights[id] = s
	return s
}

// leave drops what the model of a conversation knows.
func (t *tenant) leave(c *Conversation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sights {
		delete(s.models, c)
	}
}

// reach says what a conversation owns.
type reach int

const (
	wholly    reach = iota // every desktop that it makes
	partly                 // its own, but not those that were asked for: their ids outlive it
	stateless              // none: it has no own one, and names those it uses
)

// converse begins a conversation.
func (t *tenant) converse(r reach) *Conversation {
	c := &Conversation{
		tenant:   t,
		reach:    r,
		key:      rand.Text(),
		owner:    t.name,
		desktops: t.s.cfg.Desktops,
		images:   t.s.cfg.Images,
		log:      t.s.log,
		made:     make(map[string]bool),
		held:     make(map[string]pressed),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// handle handles a message of the conversation.
func (c *Conversation) handle(ctx context.Context, m *rpc.Message) *rpc.Answer {
	return c.tenant.s.handle(withConversation(ctx, c), m)
}
