// Package mcpclient is a small MCP client over stdio: it starts a server as a
// subprocess, as Claude Desktop or an editor does, and calls its tools.
//
//	c, err := mcpclient.Start(ctx, mcpclient.Options{Path: "bin/vmette-mcp", Stderr: os.Stderr})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	res, err := c.Call(ctx, "screenshot", nil)
package mcpclient

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// Options say which server to start. Path is needed.
type Options struct {
	Path       string         // of the server's executable
	Args       []string       // its arguments
	Env        []string       // its environment; nil means this process's
	Stderr     io.Writer      // where its log goes; nil discards
	OnProgress func(Progress) // called for each progress notification of a call, in order; may be nil
	Name       string         // how the client calls itself; "" means "vmette-mcpclient"
	Version    string         // of the client, for the server's log
}

// Progress is one progress notification.
type Progress struct {
	Done, Total float64 // Total is 0 when it is not known
	Message     string
}

// Client is a connection to one server process. Its methods may be called
// concurrently; [Client.Close] must be called.
type Client struct {
	mcp    *client.Client
	cmd    *exec.Cmd
	server ServerInfo

	mu    sync.Mutex
	token int
}

// ServerInfo is what a server says of itself.
type ServerInfo struct {
	Name, Version, Instructions string
	Protocol                    string // the revision that was agreed on
}

// Result is the answer of a tool.
type Result struct {
	IsError    bool            // the tool failed; Text says why and what to do
	Text       string          // its text parts, joined with newlines
	Structured json.RawMessage // its structured content, nil when there is none
	Image      []byte          // its first picture, nil when there is none
	ImageType  string          // of the picture, such as "image/png"
}

// Start starts the server and agrees on a protocol revision with it. When it
// fails, the process is gone.
func Start(ctx context.Context, o Options) (*Client, error) {
	c := &Client{cmd: exec.Command(o.Path, o.Args...)}
	c.cmd.Env = o.Env
	c.cmd.Stderr = o.Stderr
	if o.Stderr == nil {
		c.cmd.Stderr = io.Discard
	}
	// The process is given a command of our own so that a context that ends
	// closes its standard input first, and does not kill it.
	command := func(context.Context, string, []string, []string) (*exec.Cmd, error) { return c.cmd, nil }
	c.mcp = client.NewClient(transport.NewStdioWithOptions(o.Path, nil, nil, transport.WithCommandFunc(command)))
	if err := c.mcp.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Path, err)
	}
	if o.OnProgress != nil {
		c.mcp.OnNotification(func(n mcp.JSONRPCNotification) {
			if n.Method == "notifications/progress" {
				o.OnProgress(progress(n.Params.AdditionalFields))
			}
		})
	}

	var req mcp.InitializeRequest
	req.Params.ClientInfo = mcp.Implementation{Name: o.Name, Version: o.Version}
	if o.Name == "" {
		req.Params.ClientInfo.Name = "vmette-mcpclient"
	}
	res, err := c.mcp.Initialize(ctx, req)
	if err != nil {
		c.mcp.Close()
		return nil, fmt.Errorf("initialize %s: %w", o.Path, err)
	}
	c.server = ServerInfo{
		Name:         res.ServerInfo.Name,
		Version:      res.ServerInfo.Version,
		Instructions: res.Instructions,
		Protocol:     res.ProtocolVersion,
	}
	return c, nil
}

// Server returns what the server said of itself.
func (c *Client) Server() ServerInfo { return c.server }

// PID returns the process id of the server.
func (c *Client) PID() int { return c.cmd.Process.Pid }

// Tools returns the names of the server's tools.
func (c *Client) Tools(ctx context.Context) ([]string, error) {
	res, err := c.mcp.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return nil, fmt.Errorf("list tools: %w", err)
	}
	var names []string
	for _, t := range res.Tools {
		names = append(names, t.Name)
	}
	return names, nil
}

// Call calls a tool. An error means that there was no answer; a tool that
// answered that it failed gives a [Result] with IsError.
func (c *Client) Call(ctx context.Context, tool string, args map[string]any) (*Result, error) {
	var req mcp.CallToolRequest
	req.Params.Name = tool
	if args == nil {
		args = map[string]any{}
	}
	req.Params.Arguments = args
	req.Params.Meta = &mcp.Meta{ProgressToken: c.nextToken()}
	res, err := c.mcp.CallTool(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", tool, err)
	}
	return result(res)
}

// Close closes the server's standard input, which ends it and all its
// desktops, and waits for the process. A server that does not end within two
// seconds is killed.
func (c *Client) Close() error {
	if err := c.mcp.Close(); err != nil {
		return fmt.Errorf("end server: %w", err)
	}
	return nil
}

func (c *Client) nextToken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token++
	return c.token
}

func progress(fields map[string]any) Progress {
	var p Progress
	p.Done, _ = fields["progress"].(float64)
	p.Total, _ = fields["total"].(float64)
	p.Message, _ = fields["message"].(string)
	return p
}

func result(res *mcp.CallToolResult) (*Result, error) {
	out := &Result{IsError: res.IsError}
	var texts []string
	for _, part := range res.Content {
		switch part := part.(type) {
		case mcp.TextContent:
			texts = append(texts, part.Text)
		case mcp.ImageContent:
			if out.Image != nil {
				continue
			}
			data, err := base64.StdEncoding.DecodeString(part.Data)
			if err != nil {
				return nil, fmt.Errorf("decode picture: %w", err)
			}
			out.Image, out.ImageType = data, part.MIMEType
		}
	}
	out.Text = strings.Join(texts, "\n")
	if res.StructuredContent != nil {
		data, err := json.Marshal(res.StructuredContent)
		if err != nil {
			return nil, fmt.Errorf("encode structured content: %w", err)
		}
		out.Structured = data
	}
	return out, nil
}
