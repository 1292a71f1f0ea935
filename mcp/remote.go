package mcp

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/mcp/rpc"
	"github.com/vmette/vmette-mcp/mcp/transport"
)

// remote is what the clients of an HTTP transport talk to. It must be closed.
type remote struct {
	s     *Server
	quota *quota.Book
	life  time.Duration // of a desktop; 0 means without end
	keep  bool          // desktops of sessions outlive a server that is told to end

	mu      sync.Mutex
	leaving bool // sessions end only because the server does, and keep is set
	closed  bool
	tenants map[string]*remoteTenant
}

// remoteTenant is a tenant with the conversation that its messages without a
// session belong to.
type remoteTenant struct {
	*tenant
	stateless *Conversation
	open      int // conversations of sessions, and messages without one
}

// maxTenants is how many clients are known before those are dropped that have
// nothing.
const maxTenants = 1024

func newRemote(s *Server, book *quota.Book, life time.Duration) *remote {
	return &remote{s: s, quota: book, life: life, tenants: make(map[string]*remoteTenant)}
}

// enter returns the tenant of a client, in use until leave is called once.
func (r *remote) enter(id auth.Identity) (t *remoteTenant, leave func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, errClosed
	}
	t = r.tenants[id.Name]
	if t == nil {
		r.prune()
		t = &remoteTenant{tenant: r.s.newTenant("http "+id.Name, r.quota.Of(id.Name))}
		t.life = r.life
		t.stateless = t.converse(stateless)
		t.takeBack()
		r.tenants[id.Name] = t
	}
	t.open++
	return t, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		t.open--
	}, nil
}

// prune drops clients that have no conversation and no desktop, once there are
// many. The caller holds mu.
func (r *remote) prune() {
	if len(r.tenants) < maxTenants {
		return
	}
	for name, t := range r.tenants {
		if t.open == 0 && t.idle() {
			t.outlive()
			delete(r.tenants, name)
		}
	}
}

// idle reports whether a tenant has no desktop, and none is on its way.
func (t *tenant) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.starting == 0 && len(t.s.cfg.Desktops.List(t.name)) == 0
}

// Converse begins the conversation of a session.
func (r *remote) Converse(id auth.Identity) (transport.Conversation, error) {
	t, leave, err := r.enter(id)
	if err != nil {
		return nil, err
	}
	return &sessionConversation{t.converse(partly), r, leave}, nil
}

// sessionConversation is the conversation of a session.
type sessionConversation struct {
	*Conversation
	remote *remote
	leave  func()
}

func (c *sessionConversation) Handle(ctx context.Context, m *rpc.Message) *rpc.Answer {
	return c.handle(ctx, m)
}

func (c *sessionConversation) Close(ctx context.Context) error {
	defer c.leave()
	if c.remote.isLeaving() {
		c.disown()
	}
	return c.Conversation.Close(ctx)
}

// leave has desktops of sessions that end from now on outlive them, if they are to
// outlive the server.
func (r *remote) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaving = r.keep
}

func (r *remote) isLeaving() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaving
}

// Handle handles a message without a session.
func (r *remote) Handle(ctx context.Context, m *rpc.Message) *rpc.Answer {
	id, ok := auth.From(ctx)
	if !ok {
		return &rpc.Answer{Error: &rpc.Error{Code: rpc.CodeInternal, Message: "who makes the request is not known"}}
	}
	t, leave, err := r.enter(id)
	if err != nil {
		return &rpc.Answer{Error: &rpc.Error{Code: rpc.CodeBusy, Message: err.Error()}}
	}
	defer leave()
	return t.stateless.handle(ctx, m)
}

// close gives up what is on its way of messages without a session. Conversations of
// sessions are closed by their transport.
func (r *remote) close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	var all []*Conversation
	for _, t := range r.tenants {
		t.outlive()
		all = append(all, t.stateless)
	}
	r.mu.Unlock()
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Close(ctx))
	}
	return errors.Join(errs...)
}
