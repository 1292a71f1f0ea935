// Package mcpgo has a server of github.com/mark3labs/mcp-go handle the messages
// of [rpc], and closes the gaps that the library has below its own transports:
// no notification is lost before an answer, ids are answered as they were sent,
// and headers are compared with messages whatever the transport is.
package mcpgo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// Handler returns a handler of the messages that s knows.
func Handler(s *server.MCPServer) rpc.Handler {
	return func(ctx context.Context, m *rpc.Message) *rpc.Answer {
		if err := checkHeaders(s, rpc.HeaderOf(ctx), m); err != nil {
			return &rpc.Answer{Error: err}
		}
		if !m.IsRequest() {
			s.HandleMessage(ctx, m.Raw)
			return nil
		}
		session := newSession()
		defer session.serve(ctx)()
		return convert(s.HandleMessage(s.WithContext(ctx, session), m.Raw))
	}
}

// convert returns an answer of the library without its id, which it has read as
// a float.
func convert(answer mcp.JSONRPCMessage) *rpc.Answer {
	switch a := answer.(type) {
	case nil:
		return nil
	case mcp.JSONRPCResponse:
		return &rpc.Answer{Result: a.Result}
	case mcp.JSONRPCError:
		return &rpc.Answer{Error: &rpc.Error{Code: a.Error.Code, Message: a.Error.Message, Data: a.Error.Data}}
	}
	return &rpc.Answer{Error: &rpc.Error{Code: rpc.CodeInternal, Message: fmt.Sprintf("the answer is a %T", answer)}}
}

// maxNotifications is how many notifications of one request wait to be
// forwarded. The library drops more.
const maxNotifications = 256

// session is what the library keeps of the client of one request: where
// notifications go that belong to it.
type session struct {
	id            string
	notifications chan mcp.JSONRPCNotification
	done          chan struct{} // closed when the request has been handled
	initialized   atomic.Bool
}

var _ server.ClientSession = (*session)(nil)

func newSession() *session {
	s := &session{
		id:            rand.Text(),
		notifications: make(chan mcp.JSONRPCNotification, maxNotifications),
		done:          make(chan struct{}),
	}
	s.initialized.Store(true)
	return s
}

func (s *session) SessionID() string                                   { return s.id }
func (s *session) Initialize()                                         { s.initialized.Store(true) }
func (s *session) Initialized() bool                                   { return s.initialized.Load() }
func (s *session) NotificationChannel() chan<- mcp.JSONRPCNotification { return s.notifications }

// serve forwards notifications until end is called, which returns once none is
// left.
func (s *session) serve(ctx context.Context) (end func()) {
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		s.forward(ctx)
	}()
	return func() {
		close(s.done)
		<-forwarded
	}
}

// forward sends notifications on until the request has been handled and none is
// left. They fail when nobody reads them any more.
func (s *session) forward(ctx context.Context) {
	for {
		select {
		case n := <-s.notifications:
			_ = rpc.Notify(ctx, n.Method, n.Params)
		case <-s.done:
			for {
				select {
				case n := <-s.notifications:
					_ = rpc.Notify(ctx, n.Method, n.Params)
				default:
					return
				}
			}
		}
	}
}

// checkHeaders reports a header of a request that says something else than its
// message (revision 2026-07-28, SEP-2243). It is the library's check, which it
// makes below its own transport alone.
func checkHeaders(s *server.MCPServer, h http.Header, m *rpc.Message) *rpc.Error {
	version := h.Get(mcp.HeaderProtocolVersion)
	if !m.IsRequest() || !mcp.IsModernProtocol(version) {
		return nil
	}
	err := mcp.ValidateStandardHeaders(h.Get, version, mcp.MCPMethod(m.Method), m.Params)
	if err == nil && m.Method == string(mcp.MethodToolsCall) {
		err = checkParams(s, h, m.Params)
	}
	if err == nil {
		return nil
	}
	code := mcp.INVALID_PARAMS
	if errors.As(err, new(mcp.HeaderMismatchError)) {
		code = mcp.HEADER_MISMATCH
	}
	return &rpc.Error{Code: code, Message: err.Error()}
}

// checkParams compares the headers that repeat arguments of a tool.
func checkParams(s *server.MCPServer, h http.Header, params json.RawMessage) error {
	var call struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(params, &call) != nil {
		return nil
	}
	tool := s.GetTool(call.Name)
	if tool == nil {
		return nil
	}
	return mcp.ValidateParamHeadersLookup(func(name string) (string, bool) {
		values := h.Values(name)
		if len(values) == 0 {
			return "", false
		}
		return values[0], true
	}, &tool.Tool, params)
}
