package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// object is a JSON object.
type object = map[string]any

// addAsking adds the tools that ask the client something, which only revisions
// with sessions have.
func addAsking(s *server.MCPServer) {
	tool(s, "test_sampling", func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		var answer struct {
			Content struct{ Text string }
		}
		err := rpc.Call(ctx, "sampling/createMessage", object{
			"messages":  []any{object{"role": "user", "content": object{"type": "text", "text": req.GetString("prompt", "")}}},
			"maxTokens": 100,
		}, &answer)
		if err != nil {
			return mcp.NewToolResultError(err.Error()), nil
		}
		return mcp.NewToolResultText("LLM response: " + answer.Content.Text), nil
	}, mcp.WithString("prompt", mcp.Required()))

	elicit := func(name, before string, schema object, opts ...mcp.ToolOption) {
		tool(s, name, func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			var answer struct {
				Action  string
				Content json.RawMessage
			}
			err := rpc.Call(ctx, "elicitation/create", object{"message": req.GetString("message", "Please answer"), "requestedSchema": schema}, &answer)
			if err != nil {
				return mcp.NewToolResultError(err.Error()), nil
			}
			return mcp.NewToolResultText(fmt.Sprintf("%s: action=%s, content=%s", before, answer.Action, answer.Content)), nil
		}, opts...)
	}
	text := object{"type": "string"}
	elicit("test_elicitation", "User response", object{
		"type":       "object",
		"properties": object{"username": text, "email": text},
		"required":   []string{"username", "email"},
	}, mcp.WithString("message", mcp.Required()))
	elicit("test_elicitation_sep1034_defaults", "Elicitation completed", object{"type": "object", "properties": object{
		"name":     object{"type": "string", "default": "John Doe"},
		"age":      object{"type": "integer", "default": 30},
		"score":    object{"type": "number", "default": 95.5},
		"status":   object{"type": "string", "enum": []string{"active", "inactive", "pending"}, "default": "active"},
		"verified": object{"type": "boolean", "default": true},
	}})
	options := []string{"option1", "option2", "option3"}
	titled := func(title string) []any {
		var list []any
		for i, n := range []string{"First", "Second", "Third"} {
			list = append(list, object{"const": fmt.Sprintf("value%d", i+1), "title": n + " " + title})
		}
		return list
	}
	elicit("test_elicitation_sep1330_enums", "Elicitation completed", object{"type": "object", "properties": object{
		"untitledSingle": object{"type": "string", "enum": options},
		"titledSingle":   object{"type": "string", "oneOf": titled("Option")},
		"legacyEnum": object{"type": "string", "enum": []string{"opt1", "opt2", "opt3"},
			"enumNames": []string{"Option One", "Option Two", "Option Three"}},
		"untitledMulti": object{"type": "array", "items": object{"type": "string", "enum": options}},
		"titledMulti":   object{"type": "array", "items": object{"anyOf": titled("Choice")}},
	}})
}
