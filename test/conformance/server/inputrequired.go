package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// secret seals states, which clients carry about.
var secret = []byte(rand.Text())

// seal returns a state that only this process could have made.
func seal(state string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(state))
	return state + "." + hex.EncodeToString(mac.Sum(nil))
}

// sealed reports whether a state is one of seal.
func sealed(state string) bool {
	text, _, _ := strings.Cut(state, ".")
	return hmac.Equal([]byte(seal(text)), []byte(state))
}

// asks has a tool ask for input until it is all there.
func asks(s *server.MCPServer, name string, do func(req mcp.CallToolRequest) (want *server.InputRequestBuilder, text string)) {
	tool(s, name, func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		want, text := do(req)
		if want != nil {
			return want.ToolResult(), nil
		}
		return mcp.NewToolResultText(text), nil
	})
}

// form asks for one field.
func form(message, field, kind string) mcp.ElicitationParams {
	return mcp.ElicitationParams{Message: message, RequestedSchema: object{
		"type": "object", "properties": object{field: object{"type": kind}}, "required": []string{field},
	}}
}

// prompt asks a model.
func prompt(text string, tokens int) mcp.CreateMessageParams {
	return mcp.CreateMessageParams{
		Messages:  []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: mcp.NewTextContent(text)}},
		MaxTokens: tokens,
	}
}

// field returns a field of a form that was filled in.
func field(r mcp.InputResponses, id, name string) (any, bool) {
	e := server.ElicitationResponse(r, id)
	if e == nil {
		return nil, false
	}
	content, _ := e.Content.(map[string]any)
	v, ok := content[name]
	return v, ok
}

// addInputRequired adds the tools that ask for input by their answers, as
// revision 2026-07-28 has it.
func addInputRequired(s *server.MCPServer) {
	ask := server.NewInputRequestBuilder
	for _, name := range []string{"test_input_required_result_elicitation", "test_streaming_elicitation"} {
		asks(s, name, func(req mcp.CallToolRequest) (*server.InputRequestBuilder, string) {
			if v, ok := field(req.Params.InputResponses, "user_name", "name"); ok {
				return nil, fmt.Sprintf("Hello, %v!", v)
			}
			return ask("").Elicit("user_name", form("What is your name?", "name", "string")), ""
		})
	}
	asks(s, "test_input_required_result_sampling", func(req mcp.CallToolRequest) (*server.InputRequestBuilder, string) {
		if r := server.SamplingResponse(req.Params.InputResponses, "capital_question"); r != nil {
			return nil, fmt.Sprintf("The model says: %v", r.Content)
		}
		return ask("").Sample("capital_question", prompt("What is the capital of France?", 100)), ""
	})
	asks(s, "test_input_required_result_list_roots", func(req mcp.CallToolRequest) (*server.InputRequestBuilder, string) {
		if r := server.RootsResponse(req.Params.InputResponses, "client_roots"); r != nil {
			return nil, fmt.Sprintf("The roots are %v", r.Roots)
		}
		return ask("").Roots("client_roots"), ""
	})
	for _, name := range []string{"test_input_required_result_request_state", "test_input_required_result_tampered_state"} {
		asks(s, name, func(req mcp.CallToolRequest) (*server.InputRequestBuilder, string) {
			if _, ok := field(req.Params.InputResponses, "confirm", "ok"); ok && sealed(req.Params.RequestState) {
				return nil, "state-ok"
			}
			return ask(seal("state")).Elicit("confirm", form("Please confirm", "ok", "boolean")), ""
		})
	}
	asks(s, "test_input_required_result_multiple_inputs", func(req mcp.CallToolRequest) (*server.InputRequestBuilder, string) {
		r := req.Params.InputResponses
		if name, ok := field(r, "user_name", "name"); ok && server.SamplingResponse(r, "greeting") != nil && server.RootsResponse(r, "client_roots") != nil && sealed(req.Params.RequestState) {
			return nil, fmt.Sprintf("Hello, %v!", name)
		}
		return ask(seal("all")).Elicit("user_name", form("What is your name?", "name", "string")).
			Sample("greeting", prompt("Generate a greeting", 50)).Roots("client_roots"), ""
	})
	asks(s, "test_input_required_result_multi_round", func(req mcp.CallToolRequest) (*server.InputRequestBuilder, string) {
		r := req.Params.InputResponses
		switch state := req.Params.RequestState; {
		case state == seal("round 2"):
			if colour, ok := field(r, "step2", "color"); ok {
				return nil, fmt.Sprintf("Your favourite colour is %v.", colour)
			}
			fallthrough
		case state == seal("round 1"):
			if _, ok := field(r, "step1", "name"); ok || state == seal("round 2") {
				return ask(seal("round 2")).Elicit("step2", form("Step 2: What is your favorite color?", "color", "string")), ""
			}
		}
		return ask(seal("round 1")).Elicit("step1", form("Step 1: What is your name?", "name", "string")), ""
	})
	tool(s, "test_input_required_result_capabilities", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		want := ask("")
		if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.ClientCapabilities != nil {
			if info.ClientCapabilities.Sampling != nil {
				want.Sample("question", prompt("What is there?", 100))
			}
			if info.ClientCapabilities.Elicitation != nil {
				want.Elicit("form", form("What is there?", "what", "string"))
			}
		}
		return want.ToolResult(), nil
	})
}
