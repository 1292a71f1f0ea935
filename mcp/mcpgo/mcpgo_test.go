package mcpgo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a client that remembers what it is told.
type sink struct {
	told   []string
	closed chan struct{}
}

func (s *sink) Send(m rpc.Outgoing) { s.told = append(s.told, string(m.Data)) }
func (s *sink) Close()              { close(s.closed) }

func ask(t *testing.T, p *rpc.Peer, ctx context.Context, message string) []string {
	t.Helper()
	m, refusals := rpc.Parse([]byte(message))
	if refusals != nil {
		t.Fatalf("%s", refusals)
	}
	s := &sink{closed: make(chan struct{})}
	p.Receive(ctx, m, s)
	<-s.closed
	return s.told
}

func newPeer(t *testing.T, srv *server.MCPServer) *rpc.Peer {
	p := rpc.NewPeer(rpc.Config{Handler: Handler(srv)})
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// The library, below its own transports, loses the last notification of a call.
func TestNotificationsComeBeforeTheAnswer(t *testing.T) {
	srv := server.NewMCPServer("test", "1")
	srv.AddTool(mcp.NewTool("notify"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		for i := range 3 {
			if err := srv.SendNotificationToClient(ctx, "notifications/progress", map[string]any{"progress": i}); err != nil {
				return nil, err
			}
		}
		return mcp.NewToolResultText("done"), nil
	})
	p := newPeer(t, srv)
	for id := range 1000 {
		told := ask(t, p, t.Context(), fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"notify"}}`, id))
		if len(told) != 4 || !strings.Contains(told[2], `"progress":2`) || !strings.Contains(told[3], fmt.Sprintf(`"id":%d,"result"`, id)) {
			t.Fatalf("call %d was told %q", id, told)
		}
	}
}

// It reads ids as floats, and would answer with another one.
func TestIDsAreAnsweredAsSent(t *testing.T) {
	p := newPeer(t, server.NewMCPServer("test", "1"))
	for _, id := range []string{"9007199254740993", `"9007199254740993"`, "1.50"} {
		told := ask(t, p, t.Context(), `{"jsonrpc":"2.0","id":`+id+`,"method":"ping"}`)
		if len(told) != 1 || !strings.Contains(told[0], `"id":`+id+",") {
			t.Errorf("%s is answered %q", id, told)
		}
	}
}

// It answers a tool whose client lacks a capability as if the server were broken,
// and not with -32021, which revision 2026-07-28 has for that. No tool of this
// server needs one; what does would have to look itself, before the library.
func TestMissingCapability(t *testing.T) {
	srv := server.NewMCPServer("test", "1")
	srv.AddTool(mcp.NewTool("ask"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return nil, mcp.MissingRequiredClientCapabilityError{Capability: "sampling"}
	})
	told := ask(t, newPeer(t, srv), t.Context(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask"}}`)
	if len(told) != 1 || !strings.Contains(told[0], `"code":-32603`) {
		t.Errorf("it is answered %q", told)
	}
}

func TestPanicLeavesNothing(t *testing.T) {
	srv := server.NewMCPServer("test", "1")
	srv.AddTool(mcp.NewTool("panic"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) { panic("oh") })
	told := ask(t, newPeer(t, srv), t.Context(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"panic"}}`)
	if len(told) != 1 || !strings.Contains(told[0], "-32603") {
		t.Errorf("it is answered %q", told)
	}
}

// Headers are compared with messages in the revision that has them.
func TestHeaders(t *testing.T) {
	srv := server.NewMCPServer("test", "1")
	srv.AddTool(mcp.NewTool("where", mcp.WithRawInputSchema(json.RawMessage(
		`{"type":"object","properties":{"city":{"type":"string","x-mcp-header":"City"}}}`))),
		func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultText("here"), nil
		})
	p := newPeer(t, srv)
	const (
		call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"where","arguments":{"city":"Oslo"},` +
			`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
		mismatch = `"code":-32020`
	)
	for _, tt := range []struct {
		headers []string // version, method, name, city
		want    string
	}{
		{[]string{"2026-07-28", "tools/call", "where", "Oslo"}, "here"},
		{[]string{"2026-07-28", "Tools/Call", "where", "Oslo"}, mismatch},
		{[]string{"2026-07-28", "", "where", "Oslo"}, mismatch},
		{[]string{"2026-07-28", "tools/call", "there", "Oslo"}, mismatch},
		{[]string{"2026-07-28", "tools/call", "where", "Rome"}, mismatch},
		{[]string{"2026-07-28", "tools/call", "where", ""}, mismatch},
		{[]string{"2026-07-28", "tools/call", "where", "=?base64?T3Nsbw==?="}, "here"},
		{[]string{"2025-11-25", "", "", ""}, "here"},
	} {
		h := http.Header{}
		for i, name := range []string{mcp.HeaderProtocolVersion, mcp.HeaderMethod, mcp.HeaderName, mcp.HeaderParamPrefix + "City"} {
			if tt.headers[i] != "" {
				h.Set(name, tt.headers[i])
			}
		}
		told := ask(t, p, rpc.WithHeader(t.Context(), h), call)
		if len(told) != 1 || !strings.Contains(told[0], tt.want) {
			t.Errorf("%q: answered %q", tt.headers, told)
		}
	}
}

func TestConvert(t *testing.T) {
	failed := convert(mcp.JSONRPCError{Error: mcp.NewJSONRPCErrorDetails(7, "no", 8)})
	if failed.Error == nil || failed.Error.Code != 7 || failed.Error.Data != 8 {
		t.Errorf("an error became %+v", failed)
	}
	if convert(nil) != nil {
		t.Error("no answer became one")
	}
}
