package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// request is what the context of a request knows of it.
type request struct {
	peer    *Peer
	sink    Sink
	arrival *Arrival

	mu    sync.Mutex
	ended bool
}

type requestKey struct{}

func withRequest(ctx context.Context, r *request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// errNoRequest is what becomes of a message about no request, or about one that
// has been answered.
var errNoRequest = errors.New("there is no request under way that the message could belong to")

// send sends a message that belongs to the request, before its answer.
func (r *request) send(data []byte) error {
	if r == nil {
		return errNoRequest
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return errNoRequest
	}
	r.sink.Send(Outgoing{Data: data})
	return nil
}

// end lets nothing be sent any more.
func (r *request) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

// Notify sends the client a notification about the request of ctx. It reaches
// the client before the answer does.
func Notify(ctx context.Context, method string, params any) error {
	data, err := encodeOutgoing("", method, params)
	if err != nil {
		return fmt.Errorf("notify client: %w", err)
	}
	return requestOf(ctx).send(data)
}

// Call asks the client something that the request of ctx depends on, and decodes
// its answer into result. An error that the client answers with is an [*Error].
func Call(ctx context.Context, method string, params, result any) error {
	r := requestOf(ctx)
	if r == nil {
		return errNoRequest
	}
	id, answer := r.peer.ask()
	defer r.peer.forget(id)
	data, err := encodeOutgoing(id, method, params)
	if err != nil {
		return fmt.Errorf("ask client: %w", err)
	}
	if err := r.send(data); err != nil {
		return err
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return m.Error
		}
		if err := json.Unmarshal(m.Result, result); err != nil {
			return fmt.Errorf("decode answer of client to %s: %w", method, err)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ask returns a new id for what the client is asked, and where its answer comes.
func (p *Peer) ask() (id string, answer <-chan *Message) {
	ch := make(chan *Message, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	id = "server-" + strconv.FormatUint(p.asked, 10)
	p.waiting[id] = ch
	return id, ch
}

func (p *Peer) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, id)
}

// answered hands an answer of the client to who waits for it. One that nobody
// waits for is dropped.
func (p *Peer) answered(m *Message) {
	var id string
	if json.Unmarshal(m.ID, &id) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if ch := p.waiting[id]; ch != nil {
		delete(p.waiting, id)
		ch <- m
	}
}

type headerKey struct{}

// WithHeader returns a context of messages that came with the header of an HTTP
// request.
func WithHeader(ctx context.Context, h http.Header) context.Context {
	return context.WithValue(ctx, headerKey{}, h)
}

// HeaderOf returns the header that came with a message, nil when its transport
// has none.
func HeaderOf(ctx context.Context) http.Header {
	h, _ := ctx.Value(headerKey{}).(http.Header)
	return h
}
