package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/vmette/vmette-mcp/mcp/auth"
)

// remoteServer is this program as a process that serves clients with tokens over
// HTTP.
type remoteServer struct {
	cmd    *exec.Cmd
	url    string
	tokens map[string]string     // by client
	file   string                // with them
	end    func(os.Signal) error // ends it, and returns what came of it: nil once it has ended
}

// startRemote starts a server for these clients, which ends with the test.
func startRemote(t *testing.T, clients []string, flags ...string) *remoteServer {
	t.Helper()
	s := &remoteServer{tokens: make(map[string]string)}
	var lines []string
	for _, name := range clients {
		token, line, err := auth.NewToken(name)
		if err != nil {
			t.Fatal(err)
		}
		s.tokens[name] = token
		lines = append(lines, line)
	}
	s.file = filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(s.file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t, append([]string{"--at-exit", "close"}, flags...)...)
	return s
}

// start starts the server, which has ended if it ran before.
func (s *remoteServer) start(t *testing.T, flags ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(self, append([]string{"serve", "--http", "127.0.0.1:0", "--tokens", s.file}, flags...)...)
	s.cmd.Env = append(os.Environ(), asCommand+"=1")
	log, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	logged := make(chan struct{})
	url := make(chan string, 1)
	go func() {
		defer close(logged)
		defer close(url)
		serving := regexp.MustCompile(`msg=serving url=(\S+)`)
		for l := bufio.NewScanner(log); l.Scan(); {
			if m := serving.FindStringSubmatch(l.Text()); m != nil {
				url <- m[1]
			}
			if strings.Contains(l.Text(), "level=ERROR") {
				fmt.Fprintln(t.Output(), l.Text())
			}
		}
	}()
	cmd, ended := s.cmd, false
	s.end = func(sig os.Signal) error {
		if ended {
			return nil
		}
		ended = true
		_ = cmd.Process.Signal(sig)
		<-logged
		return cmd.Wait()
	}
	end := s.end
	t.Cleanup(func() {
		if err := end(syscall.SIGTERM); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	if s.url = <-url; s.url == "" {
		t.Fatal("the server ended before it served")
	}
}

// remoteClient is a client over streamable HTTP, with a session or without. It is
// used by one goroutine at a time.
type remoteClient struct {
	url, token string
	http       *http.Client
	stateless  bool
	session    string
	n          int
}

func (s *remoteServer) client(name string, stateless bool) *remoteClient {
	return &remoteClient{url: s.url, token: s.tokens[name], http: &http.Client{Transport: &http.Transport{}}, stateless: stateless}
}

func (c *remoteClient) close() { c.http.CloseIdleConnections() }

// remoteResult is what a call came to.
type remoteResult struct {
	refused string // by which limit, in the words of the server; "" when it was not
	failed  string // why, in the words for the model; "" when it was done
	desktop string // desktop_id that the answer names
	data    json.RawMessage
	text    string
}

// call calls a tool, opening a session first if need be. The error is one that no
// client should see.
func (c *remoteClient) call(ctx context.Context, tool string, args map[string]any) (r remoteResult, err error) {
	if !c.stateless && c.session == "" {
		r, err := c.send(ctx, "initialize", "", map[string]any{
			"protocolVersion": "2025-11-25", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "load", "version": "1"},
		})
		if err != nil || r.refused != "" {
			return r, err
		}
	}
	for {
		r, err := c.send(ctx, "tools/call", tool, c.params(tool, args))
		if err != nil || !strings.Contains(r.failed, "the desktop is still starting") {
			return r, err
		}
	}
}

// params are those of a call.
func (c *remoteClient) params(tool string, args map[string]any) map[string]any {
	params := map[string]any{"name": tool, "arguments": args}
	if c.stateless {
		params["_meta"] = map[string]any{
			"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
			"io.modelcontextprotocol/clientCapabilities": map[string]any{},
		}
	}
	return params
}

func (c *remoteClient) send(ctx context.Context, method, name string, params map[string]any) (r remoteResult, err error) {
	res, err := c.post(ctx, method, name, params)
	if err != nil {
		return r, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return r, fmt.Errorf("%s %s: %w", method, name, err)
	}
	if id := res.Header.Get("Mcp-Session-Id"); id != "" {
		c.session = id
	}
	return readResult(res, data)
}

// post sends a request and returns when the answer has begun, a second later if the call takes
// longer. The caller closes its body.
func (c *remoteClient) post(ctx context.Context, method, name string, params map[string]any) (*http.Response, error) {
	c.n++
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": c.n, "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json, text/event-stream")
	h.Set("Authorization", "Bearer "+c.token)
	switch {
	case c.stateless:
		h.Set("Mcp-Protocol-Version", "2026-07-28")
		h.Set("Mcp-Method", method)
		h.Set("Mcp-Name", name)
	case c.session != "":
		h.Set("Mcp-Session-Id", c.session)
		h.Set("Mcp-Protocol-Version", "2025-11-25")
	}
	return c.http.Do(req)
}

// readResult reads an answer, whether it came as JSON or as events.
func readResult(res *http.Response, data []byte) (r remoteResult, err error) {
	if i := bytes.LastIndex(data, []byte("\ndata: ")); i >= 0 {
		data = data[i+len("\ndata: "):]
	}
	var o struct {
		Error  *struct{ Message string }
		Result struct {
			IsError           bool
			Content           []struct{ Text string }
			StructuredContent json.RawMessage
		}
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return r, fmt.Errorf("answered %s: %.200q", res.Status, data)
	}
	if res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") != "" && o.Error != nil {
		return remoteResult{refused: o.Error.Message}, nil
	}
	if res.StatusCode != http.StatusOK || o.Error != nil {
		return r, fmt.Errorf("answered %s: %.200q", res.Status, data)
	}
	var named struct {
		DesktopID string `json:"desktop_id"`
	}
	if r.data = o.Result.StructuredContent; r.data != nil {
		if err := json.Unmarshal(r.data, &named); err != nil {
			return r, fmt.Errorf("answered %.200q: %w", r.data, err)
		}
	}
	r.desktop = named.DesktopID
	for _, c := range o.Result.Content {
		r.text += c.Text
	}
	switch {
	case !o.Result.IsError:
	case strings.Contains(r.text, "the limit of "), strings.HasPrefix(r.text, "No desktop could be started: "):
		r.refused = r.text
	default:
		r.failed = r.text
	}
	return r, nil
}
