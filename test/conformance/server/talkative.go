package main

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// addTalkative adds the tools that tell something before they answer.
func addTalkative(s *server.MCPServer) {
	tool(s, "test_tool_with_logging", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for _, text := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
			if err := rpc.Notify(ctx, "notifications/message", map[string]any{"level": "info", "data": text}); err != nil {
				return nil, err
			}
		}
		return mcp.NewToolResultText("Three messages were logged."), nil
	})
	// In the revision without sessions nothing is logged that was not asked for.
	tool(s, "test_logging_tool", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if i := server.RequestProtocolInfoFromContext(ctx); i != nil && i.LogLevel != "" {
			if err := rpc.Notify(ctx, "notifications/message", map[string]any{"level": "info", "data": "asked for"}); err != nil {
				return nil, err
			}
		}
		return mcp.NewToolResultText("What was asked for was logged."), nil
	})
	tool(s, "test_tool_with_progress", func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if req.Params.Meta != nil && req.Params.Meta.ProgressToken != nil {
			for _, n := range []int{0, 50, 100} {
				err := rpc.Notify(ctx, "notifications/progress", map[string]any{"progressToken": req.Params.Meta.ProgressToken, "progress": n, "total": 100})
				if err != nil {
					return nil, err
				}
			}
		}
		return mcp.NewToolResultText("It is done."), nil
	})
}
