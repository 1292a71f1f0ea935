package main

import (
	"context"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/vmette/vmette-mcp/mcp/mcpgo"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// newFixture returns what handles the messages of the suite: the library, but for
// what it keeps in sessions of its own.
func newFixture() (rpc.Handler, error) {
	s := server.NewMCPServer("vmette-mcp-conformance", "1",
		server.WithLogging(), server.WithCompletions(),
		server.WithToolCapabilities(false), server.WithPromptCapabilities(false), server.WithResourceCapabilities(true, false),
	)
	addContents(s)
	addTalkative(s)
	addAsking(s)
	addInputRequired(s)
	addResources(s)
	addPrompts(s)
	library := mcpgo.Handler(s)
	return func(ctx context.Context, m *rpc.Message) *rpc.Answer {
		if a := special(m); a != nil {
			return a
		}
		a := library(ctx, m)
		if m.Method == string(mcp.MethodResourcesRead) && a != nil && a.Error != nil {
			a.Error.Data = uriOf(m) // which the library does not say
		}
		return a
	}, nil
}

// uriOf returns the resource that a request names.
func uriOf(m *rpc.Message) any {
	var p struct {
		URI string `json:"uri"`
	}
	if json.Unmarshal(m.Params, &p) != nil {
		return nil
	}
	return p
}

// special answers what the library has no say in here, nil for all else.
func special(m *rpc.Message) *rpc.Answer {
	var p struct {
		Name         string `json:"name"`
		RequestState string `json:"requestState"`
		Meta         struct {
			Version      string                     `json:"io.modelcontextprotocol/protocolVersion"`
			Capabilities map[string]json.RawMessage `json:"io.modelcontextprotocol/clientCapabilities"`
		} `json:"_meta"`
	}
	if !m.IsRequest() || m.Params != nil && json.Unmarshal(m.Params, &p) != nil {
		return nil
	}
	modern := mcp.IsModernProtocol(p.Meta.Version)
	switch {
	case m.Method == "completion/complete" && !modern:
		return &rpc.Answer{Result: map[string]any{"completion": map[string]any{"values": []string{"paris", "park"}, "total": 2, "hasMore": false}}}
	case m.Method == "logging/setLevel" && !modern,
		m.Method == "resources/subscribe" && !modern, m.Method == "resources/unsubscribe" && !modern:
		return &rpc.Answer{}
	case m.Method == "tools/call" && p.Name == "test_input_required_result_tampered_state" && p.RequestState != "" && !sealed(p.RequestState):
		return fail(mcp.INVALID_PARAMS, "requestState has been changed", nil)
	case m.Method == "tools/call" && p.Name == "test_missing_capability" && modern && p.Meta.Capabilities != nil && p.Meta.Capabilities["sampling"] == nil:
		return fail(mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, "this tool needs the capability sampling",
			map[string]any{"requiredCapabilities": map[string]any{"sampling": map[string]any{}}})
	}
	return nil
}

func fail(code int, why string, data any) *rpc.Answer {
	return &rpc.Answer{Error: &rpc.Error{Code: code, Message: why, Data: data}}
}
