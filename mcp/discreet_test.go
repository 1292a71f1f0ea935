package mcp

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/vmette/vmette-mcp/mcp/auth"
)

// log collects what a server logs.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Neither the log, from its lowest level on, nor the metrics tell what clients
// say, type, see or own, and nothing that a guest says looks like a line of the
// log.
func TestServerIsDiscreet(t *testing.T) {
	const secret, forged = "hunter2", "time=2026-01-01T00:00:00Z level=ERROR msg=forged"
	var said log
	host := newFakeHost()
	v, as := tokens(t, "alice")
	w := serveServer(t, Config{
		Desktops: host,
		Images:   host,
		Logger:   slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, HTTPConfig{Verifiers: []auth.Verifier{v}})
	session := w.session(as["alice"]...)
	id := w.call(session, "desktop_create", `{"idempotency_key":"`+secret+`"}`).Result.StructuredContent.DesktopID
	picture := w.call(session, "screenshot", `{}`).Result.Content[1].Data
	for _, call := range [][2]string{
		{"type", `{"text":"` + secret + `"}`},
		{"key", `{"text":"` + secret + `"}`},
		{"exec", `{"command":"echo ` + secret + `"}`},
		{"write_file", `{"path":"/` + secret + `","text":"` + secret + `"}`},
		{"set_clipboard", `{"text":"` + secret + `"}`},
		{"open_url", `{"url":"https://` + secret + `.example.com"}`},
		{"desktop_checkpoint", `{"name":"` + secret + `"}`},
		{"left_click", `{"coordinate":"` + secret + `"}`},
		{secret, `{}`},
	} {
		w.call(session, call[0], call[1])
		w.callStateless(call[0], call[1], append([]string{"X-Secret", secret}, as["alice"]...)...)
	}
	w.do("POST", "/mcp?"+secret, `{"jsonrpc":"2.0","id":1,"method":"`+secret+`"}`, session...)
	w.do(strings.ToUpper(secret), "/"+secret, "")
	w.do("GET", "/mcp", "", "Authorization", "Bearer "+secret)
	host.bootErr = errors.New("the console says: \x1b[31m\r\n" + forged)
	w.call(session, "desktop_create", `{}`)

	res := w.do("GET", "/metrics", "", as["alice"]...)
	metrics, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "tool=type") || !strings.Contains(string(metrics), `tool="type"`) {
		t.Error("nothing is told of the calls at all")
	}
	told := strings.ToLower(said.String() + string(metrics))
	for what, s := range map[string]string{
		"what was sent":  secret,
		"the token":      strings.TrimPrefix(as["alice"][1], "Bearer "),
		"the session":    session[1],
		"the desktop_id": `"` + id + `"`,
		"the screen":     picture[:40],
	} {
		if strings.Contains(told, strings.ToLower(s)) {
			t.Errorf("%s is told", what)
		}
	}
	if !strings.Contains(said.String(), "msg=forged") {
		t.Error("why the desktop did not start is not told")
	}
	for line := range strings.Lines(said.String()) {
		if !strings.HasPrefix(line, "time=") || strings.HasPrefix(line, forged) || strings.ContainsRune(line, 0x1b) {
			t.Errorf("the log has the line %q", line)
		}
	}
}
