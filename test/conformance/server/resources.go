package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// addResources adds the resources that the suite reads.
func addResources(s *server.MCPServer) {
	is := func(c mcp.ResourceContents) server.ResourceHandlerFunc {
		return func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{c}, nil
		}
	}
	add := func(uri, name, mime string, h server.ResourceHandlerFunc) {
		s.AddResource(mcp.NewResource(uri, name, mcp.WithResourceDescription("For the conformance suite."), mcp.WithMIMEType(mime)), h)
	}
	add("test://static-text", "Static text", "text/plain",
		is(mcp.TextResourceContents{URI: "test://static-text", MIMEType: "text/plain", Text: "This is the content of the static text resource."}))
	add("test://static-binary", "Static binary", "image/png",
		is(mcp.BlobResourceContents{URI: "test://static-binary", MIMEType: "image/png", Blob: picture}))
	add("test://watched-resource", "Watched resource", "text/plain",
		is(mcp.TextResourceContents{URI: "test://watched-resource", MIMEType: "text/plain", Text: "It does not change."}))
	s.AddResourceTemplate(mcp.NewResourceTemplate("test://template/{id}/data", "Template", mcp.WithTemplateMIMEType("application/json")),
		func(_ context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			id := strings.TrimSuffix(strings.TrimPrefix(req.Params.URI, "test://template/"), "/data")
			text, err := json.Marshal(object{"id": id, "templateTest": true, "data": "Data for ID: " + id})
			if err != nil {
				return nil, fmt.Errorf("encode: %w", err)
			}
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: req.Params.URI, MIMEType: "application/json", Text: string(text)}}, nil
		})
}

// addPrompts adds the prompts that the suite gets.
func addPrompts(s *server.MCPServer) {
	says := func(contents ...mcp.Content) (*mcp.GetPromptResult, error) {
		var messages []mcp.PromptMessage
		for _, c := range contents {
			messages = append(messages, mcp.NewPromptMessage(mcp.RoleUser, c))
		}
		return mcp.NewGetPromptResult("For the conformance suite.", messages), nil
	}
	add := func(name string, h func(req mcp.GetPromptRequest) (*mcp.GetPromptResult, error), args ...string) {
		opts := []mcp.PromptOption{mcp.WithPromptDescription("For the conformance suite.")}
		for _, a := range args {
			opts = append(opts, mcp.WithArgument(a, mcp.RequiredArgument(), mcp.ArgumentDescription("Any text.")))
		}
		s.AddPrompt(mcp.NewPrompt(name, opts...), func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) { return h(req) })
	}
	add("test_simple_prompt", func(mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return says(mcp.NewTextContent("This is a simple prompt for testing."))
	})
	add("test_prompt_with_arguments", func(req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return says(mcp.NewTextContent(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", req.Params.Arguments["arg1"], req.Params.Arguments["arg2"])))
	}, "arg1", "arg2")
	add("test_prompt_with_embedded_resource", func(req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return says(
			mcp.NewEmbeddedResource(mcp.TextResourceContents{URI: req.Params.Arguments["resourceUri"], MIMEType: "text/plain", Text: "Embedded resource content for testing."}),
			mcp.NewTextContent("Please process the embedded resource above."))
	}, "resourceUri")
	add("test_prompt_with_image", func(mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return says(mcp.NewImageContent(picture, "image/png"), mcp.NewTextContent("Please analyze the image above."))
	})
	add("test_input_required_result_prompt", func(req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		if v, ok := field(req.Params.InputResponses, "user_context", "context"); ok {
			return says(mcp.NewTextContent(fmt.Sprintf("Use the context %v.", v)))
		}
		return server.NewInputRequestBuilder("").Elicit("user_context", form("What context should the prompt use?", "context", "string")).PromptResult(), nil
	})
}
