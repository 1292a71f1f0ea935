package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// MaxInFlight is how many requests of one peer are handled at once. More are
// refused, so that a client that floods costs a bounded amount of memory.
const MaxInFlight = 32

// ErrCancelled is the cause of the context of a request that its client gave up.
var ErrCancelled = errors.New("the client cancelled the call")

// Handler handles a request, or a notification, whose answer is nil. The context
// of a request ends when it is cancelled.
type Handler func(ctx context.Context, m *Message) *Answer

// Outgoing is a message to a client.
type Outgoing struct {
	Data   []byte
	Answer bool // it is the answer to a request, and not about one
	Code   int  // of the error that it answers with; 0 for a result
}

// Sink takes the messages to the client that belong to one request. It must be
// safe for concurrent use.
type Sink interface {
	// Send takes a message. It may wait for the client, but not for ever.
	Send(Outgoing)
	// Close is called once after the last message of a request, which is not an
	// answer when the client has given it up.
	Close()
}

// Config says how a [Peer] works. Handler is needed.
type Config struct {
	Handler Handler
	Ordered string       // the method whose requests have an [Arrival], such as "tools/call"
	First   string       // the method that is handled before what comes next, such as "initialize"
	Logger  *slog.Logger // nil discards
}

// Peer is one client. It is safe for concurrent use; Close must end it.
type Peer struct {
	cfg Config
	log *slog.Logger
	wg  sync.WaitGroup // requests in flight

	mu      sync.Mutex
	ended   bool
	calls   map[string]context.CancelCauseFunc // requests in flight, by id as it was sent
	last    *Arrival
	asked   uint64
	waiting map[string]chan<- *Message // calls of the client, by id
}

// NewPeer returns a Peer.
func NewPeer(cfg Config) *Peer {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Peer{
		cfg:     cfg,
		log:     cfg.Logger,
		calls:   make(map[string]context.CancelCauseFunc),
		waiting: make(map[string]chan<- *Message),
	}
}

// Receive takes a message. It returns at once for a request, which is handled
// under ctx; sink gets what belongs to it.
func (p *Peer) Receive(ctx context.Context, m *Message, sink Sink) {
	p.Take(ctx, m, sink)()
}

// Take is like Receive, but has a request wait until begin is called, once.
// Messages that came together are taken together, so that a call that fails at
// once knows what was asked for with it.
func (p *Peer) Take(ctx context.Context, m *Message, sink Sink) (begin func()) {
	switch {
	case m.IsAnswer():
		p.answered(m)
	case m.IsRequest():
		return p.request(ctx, m, sink)
	case m.Method == "notifications/cancelled":
		p.cancel(m.Params)
	default:
		p.handle(ctx, m)
	}
	return func() {}
}

// request prepares the handling of a request, unless there is no room for it.
func (p *Peer) request(ctx context.Context, m *Message, sink Sink) (begin func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &request{peer: p, sink: sink}
	if why := p.begin(m, r, cancel); why != nil {
		cancel(nil)
		sink.Send(Outgoing{Data: encodeAnswer(m.ID, &Answer{Error: why}), Answer: true, Code: why.Code})
		sink.Close()
		return func() {}
	}
	serve := func() {
		defer p.wg.Done()
		defer sink.Close()
		defer cancel(nil)
		defer r.arrival.Pass(nil)
		a := p.handle(withRequest(ctx, r), m)
		r.end()
		p.mu.Lock()
		delete(p.calls, string(m.ID))
		p.mu.Unlock()
		if a == nil || context.Cause(ctx) == ErrCancelled {
			return
		}
		out := Outgoing{Data: encodeAnswer(m.ID, a), Answer: true}
		if a.Error != nil {
			out.Code = a.Error.Code
		}
		sink.Send(out)
	}
	if m.Method == p.cfg.First {
		serve()
		return func() {}
	}
	return func() { go serve() }
}

// begin counts a request as in flight, or says why it cannot be.
func (p *Peer) begin(m *Message, r *request, cancel context.CancelCauseFunc) *Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, twice := p.calls[string(m.ID)]
	switch {
	case p.ended:
		return &Error{Code: CodeBusy, Message: "the connection is being closed"}
	case twice:
		return &Error{Code: CodeInvalid, Message: "a request with this id is still in flight: give each an id of its own"}
	case len(p.calls) >= MaxInFlight:
		return &Error{Code: CodeBusy, Message: fmt.Sprintf("%d requests are in flight: wait for one to be answered", MaxInFlight)}
	}
	p.calls[string(m.ID)] = cancel
	p.wg.Add(1)
	if m.Method == p.cfg.Ordered {
		p.last = p.last.next()
		r.arrival = p.last
	}
	return nil
}

// handle calls the handler, and answers also when that panics.
func (p *Peer) handle(ctx context.Context, m *Message) (a *Answer) {
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("handling a message panicked", "panic", v, "stack", string(debug.Stack()))
			a = &Answer{Error: &Error{Code: CodeInternal, Message: "the server failed to handle the request: whether it was done is not known"}}
		}
	}()
	return p.cfg.Handler(ctx, m)
}

// cancel gives up the request that a notification names. One that is not in
// flight is ignored: its answer and the cancellation crossed.
func (p *Peer) cancel(params json.RawMessage) {
	var c struct {
		RequestID json.RawMessage `json:"requestId"`
	}
	if json.Unmarshal(params, &c) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if cancel, ok := p.calls[string(c.RequestID)]; ok {
		cancel(ErrCancelled)
	}
}

// InFlight returns how many requests are being handled.
func (p *Peer) InFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}

// Close accepts no more requests, and waits until those in flight have been
// handled, whose context must have ended, or ctx is done.
func (p *Peer) Close(ctx context.Context) error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	done := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("answer calls in flight: %w", context.Cause(ctx))
	}
}
