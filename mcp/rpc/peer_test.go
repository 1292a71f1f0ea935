package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// heard is a sink that remembers.
type heard struct {
	messages []string
	closed   chan struct{}
}

func newHeard() *heard             { return &heard{closed: make(chan struct{})} }
func (h *heard) Send(m Outgoing)   { h.messages = append(h.messages, string(m.Data)) }
func (h *heard) Close()            { close(h.closed) }
func (h *heard) all() string       { <-h.closed; return strings.Join(h.messages, "\n") }
func message(s string) *Message    { m, _ := Parse([]byte(s)); return m }
func call(id int, m string) string { return fmt.Sprintf(`{"method":%q,"id":%d}`, m, id) }

func closePeer(t *testing.T, p *Peer) {
	t.Helper()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPeerAnswers(t *testing.T) {
	p := NewPeer(Config{Handler: func(ctx context.Context, m *Message) *Answer {
		switch m.Method {
		case "panic":
			panic("oh")
		case "cannot":
			return &Answer{Result: func() {}}
		case "fail":
			return &Answer{Error: &Error{Code: 7, Message: "no", Data: 8}}
		}
		_ = Notify(ctx, "n", nil)
		return &Answer{}
	}})
	defer closePeer(t, p)
	for method, want := range map[string]string{
		"ok":     `{"jsonrpc":"2.0","method":"n"}` + "\n" + `{"jsonrpc":"2.0","id":1,"result":{}}`,
		"fail":   `{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"no","data":8}}`,
		"panic":  `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"the server failed to handle the request: whether it was done is not known"}}`,
		"cannot": `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"the answer could not be encoded"}}`,
	} {
		h := newHeard()
		p.Receive(t.Context(), message(call(1, method)), h)
		if got := h.all(); got != want {
			t.Errorf("%s: %s", method, got)
		}
	}
}

func TestPeerBoundsWhatIsInFlight(t *testing.T) {
	release := make(chan struct{})
	p := NewPeer(Config{Handler: func(context.Context, *Message) *Answer {
		<-release
		return &Answer{}
	}})
	var all []*heard
	for id := range MaxInFlight {
		h := newHeard()
		all = append(all, h)
		p.Receive(t.Context(), message(call(id, "x")), h)
	}
	for id, want := range map[int]string{0: "still in flight", MaxInFlight: "32 requests are in flight"} {
		h := newHeard()
		p.Receive(t.Context(), message(call(id, "x")), h)
		if got := h.all(); !strings.Contains(got, want) {
			t.Errorf("request %d: %s", id, got)
		}
	}
	close(release)
	closePeer(t, p)
	for _, h := range all {
		h.all()
	}
	h := newHeard()
	p.Receive(t.Context(), message(call(0, "x")), h)
	if got := h.all(); !strings.Contains(got, "being closed") {
		t.Errorf("after the end: %s", got)
	}
}

// Arrivals pass in the order of receipt, whatever the order of handling is.
func TestPeerKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		gates := map[string]chan struct{}{"1": make(chan struct{}), "2": make(chan struct{})}
		p := NewPeer(Config{Ordered: "x", Handler: func(ctx context.Context, m *Message) *Answer {
			<-gates[string(m.ID)]
			ArrivalOf(ctx).Pass(func() { order = append(order, string(m.ID)) })
			return &Answer{}
		}})
		for id := range 2 {
			p.Receive(t.Context(), message(call(id+1, "x")), newHeard())
		}
		close(gates["2"])
		synctest.Wait()
		if order != nil {
			t.Errorf("%v passed before the first", order)
		}
		close(gates["1"])
		closePeer(t, p)
		if got := strings.Join(order, " "); got != "1 2" {
			t.Errorf("they passed as %s", got)
		}
	})
}

// Nothing is sent for a request that has been answered, or that there is not.
func TestNotifyOutOfPlace(t *testing.T) {
	var kept context.Context
	p := NewPeer(Config{Handler: func(ctx context.Context, _ *Message) *Answer {
		kept = ctx
		return &Answer{}
	}})
	defer closePeer(t, p)
	h := newHeard()
	p.Receive(t.Context(), message(call(1, "x")), h)
	h.all()
	for _, ctx := range []context.Context{kept, t.Context()} {
		if err := Notify(ctx, "n", nil); !errors.Is(err, errNoRequest) {
			t.Errorf("notify: %v", err)
		}
		if err := Call(ctx, "n", nil, nil); err == nil {
			t.Error("the client was asked")
		}
	}
}

func TestCloseHasAnEnd(t *testing.T) {
	release := make(chan struct{})
	p := NewPeer(Config{Handler: func(context.Context, *Message) *Answer {
		<-release
		return nil
	}})
	h := newHeard()
	p.Receive(t.Context(), message(call(1, "x")), h)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	if got := h.all(); got != "" {
		t.Errorf("a request without an answer is answered %s", got)
	}
}
