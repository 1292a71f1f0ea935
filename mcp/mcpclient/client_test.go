package mcpclient

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"go.uber.org/goleak"
)

// asServer makes the test binary a small MCP server.
const asServer = "MCPCLIENT_TEST_AS_SERVER"

func TestMain(m *testing.M) {
	switch os.Getenv(asServer) {
	case "":
		goleak.VerifyTestMain(m)
	case "mute":
		fmt.Fprintln(os.Stderr, "cannot start")
		os.Exit(3)
	default:
		if err := server.ServeStdio(testServer()); err != nil && !errors.Is(err, context.Canceled) {
			os.Exit(1)
		}
	}
}

func testServer() *server.MCPServer {
	s := server.NewMCPServer("test", "1.2.3", server.WithInstructions("Be kind."))
	s.AddTool(mcp.NewTool("echo", mcp.WithString("text")), func(_ context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		text := req.GetString("text", "")
		res := mcp.NewToolResultStructured(map[string]any{"said": text}, text)
		res.Content = append(res.Content, mcp.NewImageContent("aGk=", "image/png"), mcp.NewTextContent("second"))
		return res, nil
	})
	s.AddTool(mcp.NewTool("fail"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultError("send something else"), nil
	})
	return s
}

func start(t *testing.T, mode string, stderr *strings.Builder) (*Client, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Path: self, Env: append(os.Environ(), asServer+"="+mode)}
	if stderr != nil {
		o.Stderr = stderr
	}
	return Start(t.Context(), o)
}

func TestCall(t *testing.T) {
	c, err := start(t, "serve", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	if s := c.Server(); s.Name != "test" || s.Version != "1.2.3" || s.Instructions != "Be kind." || s.Protocol == "" {
		t.Errorf("the server said %+v", s)
	}
	tools, err := c.Tools(t.Context())
	slices.Sort(tools)
	if diff := cmp.Diff([]string{"echo", "fail"}, tools); diff != "" || err != nil {
		t.Errorf("tools (-want +got):\n%s%v", diff, err)
	}

	got, err := c.Call(t.Context(), "echo", map[string]any{"text": "hello"})
	if err != nil {
		t.Fatal(err)
	}
	want := &Result{Text: "hello\nsecond", Structured: []byte(`{"said":"hello"}`), Image: []byte("hi"), ImageType: "image/png"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}

	got, err = c.Call(t.Context(), "fail", nil)
	if err != nil || !got.IsError || got.Text != "send something else" {
		t.Errorf("a tool that fails: %+v, %v", got, err)
	}
	if _, err := c.Call(t.Context(), "juggle", nil); err == nil {
		t.Error("no error for an unknown tool")
	}
}

func TestCloseEndsTheServer(t *testing.T) {
	c, err := start(t, "serve", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if !c.cmd.ProcessState.Exited() {
		t.Error("the process runs on")
	}
	if _, err := c.Call(t.Context(), "echo", nil); err == nil {
		t.Error("a call after Close succeeded")
	}
}

func TestStartServerThatDies(t *testing.T) {
	var stderr strings.Builder
	if _, err := start(t, "mute", &stderr); err == nil {
		t.Fatal("no error")
	}
	if stderr.String() != "cannot start\n" {
		t.Errorf("its log was %q", stderr.String())
	}
}

func TestStartNoSuchProgram(t *testing.T) {
	if _, err := Start(t.Context(), Options{Path: "/no/such/program"}); err == nil {
		t.Error("no error")
	}
}
