package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"
)

// maxInFlight is how many requests of one client are handled at once. More are
// refused, so that a client that floods costs a bounded amount of memory.
const maxInFlight = 32

// codeBusy is the JSON-RPC error of a request that came while too many were in
// flight. It is of the range that JSON-RPC leaves to servers.
const codeBusy = -32000

// errCancelled is the cause of the context of a request that its client gave up.
var errCancelled = errors.New("the client cancelled the call")

// dispatcher handles the messages of one client: each request on a goroutine of
// its own, so that none holds up another, and each answer through one channel.
//
// It does what the library leaves to a transport, or does too late: a request
// can be cancelled as soon as it has been received, requests in flight are
// bounded, and calls are given their order of arrival.
type dispatcher struct {
	ctx    context.Context
	handle func(context.Context, json.RawMessage) mcp.JSONRPCMessage
	log    *slog.Logger

	answers  chan []byte
	finished chan struct{} // closed when no request is in flight any more
	quit     chan struct{} // closed when answers are no longer waited for

	wg    sync.WaitGroup // requests in flight
	mu    sync.Mutex
	ended bool
	calls map[string]context.CancelCauseFunc // requests in flight, by id as it was sent
	last  *arrival
	begun []func() // what was received and is not handled yet; the receiver's own
}

func newDispatcher(ctx context.Context, handle func(context.Context, json.RawMessage) mcp.JSONRPCMessage, log *slog.Logger) *dispatcher {
	return &dispatcher{
		ctx:      ctx,
		handle:   handle,
		log:      log,
		answers:  make(chan []byte),
		finished: make(chan struct{}),
		quit:     make(chan struct{}),
		calls:    make(map[string]context.CancelCauseFunc),
	}
}

// envelope is what a dispatcher must know of a message.
type envelope struct {
	Method *string         `json:"method"`
	ID     json.RawMessage `json:"id"`
	Params json.RawMessage `json:"params"`
}

// receive takes one message, which is handled after the next begin. It is called
// by one goroutine, in the order in which messages arrive, and keeps message. It
// waits for the client to take the answer when there is one at once.
func (d *dispatcher) receive(message []byte) {
	var e envelope
	switch {
	case !utf8.Valid(message) || !json.Valid(message):
		d.answer(protocolError(nil, mcp.PARSE_ERROR, "the message is not JSON in UTF-8 on one line"))
		return
	case message[0] != '{':
		d.refuseBatch(message)
		return
	}
	err := json.Unmarshal(message, &e)
	switch {
	case err != nil:
		d.answer(protocolError(nil, mcp.INVALID_REQUEST, "the method is not a string"))
	case e.ID == nil && e.Method == nil:
		d.answer(protocolError(nil, mcp.INVALID_REQUEST, "the message has neither a method nor an id"))
	case e.Method == nil:
		// An answer, although nothing is ever asked of a client.
	case e.ID == nil && *e.Method == "notifications/cancelled":
		d.cancel(e.Params)
	case e.ID == nil:
		d.handle(d.ctx, message)
	case !isID(e.ID):
		d.answer(protocolError(nil, mcp.INVALID_REQUEST, "the id is neither a string nor a number"))
	case e.Params != nil && e.Params[0] != '{':
		d.answer(protocolError(e.ID, mcp.INVALID_PARAMS, "params is "+kind(e.Params)+": send an object"))
	default:
		d.request(e, message)
	}
}

// request handles a request, unless there is no room for it.
func (d *dispatcher) request(e envelope, message []byte) {
	ctx, cancel := context.WithCancelCause(d.ctx)
	key := string(e.ID)
	d.mu.Lock()
	_, twice := d.calls[key]
	full := len(d.calls) >= maxInFlight
	if d.ended || twice || full {
		ended := d.ended
		d.mu.Unlock()
		cancel(nil)
		switch {
		case ended:
		case twice:
			d.answer(protocolError(e.ID, mcp.INVALID_REQUEST, "a request with this id is still in flight: give each an id of its own"))
		default:
			d.answer(protocolError(e.ID, codeBusy, fmt.Sprintf("%d requests are in flight: wait for one to be answered", maxInFlight)))
		}
		return
	}
	d.calls[key] = cancel
	d.wg.Add(1)
	d.mu.Unlock()

	var a *arrival
	if *e.Method == string(mcp.MethodToolsCall) {
		d.last = d.last.next()
		a = d.last
		ctx = withArrival(ctx, a)
	}
	serve := func() {
		defer d.wg.Done()
		defer cancel(nil)
		defer a.pass(nil)
		answer := d.serve(ctx, e.ID, message)
		d.mu.Lock()
		delete(d.calls, key)
		d.mu.Unlock()
		if answer != nil && context.Cause(ctx) != errCancelled {
			d.answer(answer)
		}
	}
	if *e.Method == string(mcp.MethodInitialize) {
		serve() // what comes next relies on it
		return
	}
	d.begun = append(d.begun, serve)
}

// begin handles what has been received. Messages that came together are received
// together, so that a call that fails at once knows what was asked for with it.
func (d *dispatcher) begin() {
	for _, serve := range d.begun {
		go serve()
	}
	d.begun = nil
}

// serve handles one request and answers also when that panics.
func (d *dispatcher) serve(ctx context.Context, id json.RawMessage, message []byte) (answer mcp.JSONRPCMessage) {
	defer func() {
		if p := recover(); p != nil {
			d.log.Error("handling a request panicked", "panic", p, "stack", string(debug.Stack()))
			answer = protocolError(id, mcp.INTERNAL_ERROR, "the server failed to handle the request: whether it was done is not known")
		}
	}()
	answer = d.handle(ctx, message)
	// The library reads a number as a float: answer with the id as it was sent.
	switch a := answer.(type) {
	case mcp.JSONRPCResponse:
		a.ID = mcp.NewRequestId(id)
		return a
	case mcp.JSONRPCError:
		a.ID = mcp.NewRequestId(id)
		return a
	}
	return answer
}

// cancel gives up the request that a notification names. One that is not in
// flight is ignored: its answer and the cancellation crossed.
func (d *dispatcher) cancel(params json.RawMessage) {
	var p struct {
		RequestID json.RawMessage `json:"requestId"`
	}
	if json.Unmarshal(params, &p) != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if cancel, ok := d.calls[string(p.RequestID)]; ok {
		cancel(errCancelled)
	}
}

// answer hands a message to the writer.
func (d *dispatcher) answer(message mcp.JSONRPCMessage) {
	select {
	case d.answers <- encode(message):
	case <-d.quit:
	}
}

// write writes notifications and answers, one a line, until the dispatcher is
// closed or out fails. A notification that was sent before an answer is written
// before it: one goroutine takes both, and before an answer takes every
// notification that is there.
func (d *dispatcher) write(out io.Writer, notifications <-chan mcp.JSONRPCNotification) error {
	drain := func() error {
		for {
			select {
			case n := <-notifications:
				if err := writeLine(out, encode(n)); err != nil {
					return err
				}
			default:
				return nil
			}
		}
	}
	for {
		select {
		case n := <-notifications:
			if err := writeLine(out, encode(n)); err != nil {
				return err
			}
		case a := <-d.answers:
			if err := drain(); err != nil {
				return err
			}
			if err := writeLine(out, a); err != nil {
				return err
			}
		case <-d.finished:
			return drain()
		}
	}
}

// discard takes answers that cannot be written until the dispatcher is closed.
func (d *dispatcher) discard() {
	for {
		select {
		case <-d.answers:
		case <-d.finished:
			return
		}
	}
}

// close accepts no more requests, and waits until those in flight are answered,
// whose context must have ended, or ctx is done: then answers that the client
// has not taken are dropped.
func (d *dispatcher) close(ctx context.Context) error {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	err := wait(ctx, &d.wg)
	close(d.quit)
	close(d.finished)
	if err != nil {
		return fmt.Errorf("answer calls in flight: %w", err)
	}
	return nil
}

// protocolError is an error answer of JSON-RPC.
func protocolError(id json.RawMessage, code int, message string) mcp.JSONRPCError {
	var v any
	if id != nil {
		v = id
	}
	return mcp.JSONRPCError{
		JSONRPC: mcp.JSONRPC_VERSION,
		ID:      mcp.NewRequestId(v),
		Error:   mcp.NewJSONRPCErrorDetails(code, message, nil),
	}
}
