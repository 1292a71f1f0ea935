package mcp

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// said returns what an answer to a call says.
func said(t *testing.T, a *rpc.Answer) string {
	t.Helper()
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var r reply
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r.text()
}

// No call takes longer than clients wait, however long a desktop takes to start. The
// start goes on, and the next call has what came of it.
func TestSlowBoot(t *testing.T) {
	for _, tool := range []string{"screenshot", "desktop_create", "exec"} {
		t.Run(tool, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newFakeHost()
				host.gate, host.steps = make(chan struct{}), make(chan string)
				s, err := New(Config{Desktops: host, Images: host})
				if err != nil {
					t.Fatal(err)
				}
				c := s.newTenant("test", nil).converse(partly)
				call := func() string {
					args := map[string]string{"exec": `{"command":"true"}`}[tool]
					if args == "" {
						args = "{}"
					}
					m, _ := rpc.Parse([]byte(toolCall(1, tool, args)))
					begun := time.Now()
					text := said(t, c.handle(t.Context(), m))
					if took := time.Since(begun); took >= time.Minute {
						t.Errorf("it was answered after %v", took)
					}
					return text
				}
				go func() { host.steps <- "start qemu" }()
				for range 3 {
					wants(t, call(), "was not done: the desktop is still starting, which goes on (booting the desktop: start qemu). Call again")
				}
				time.AfterFunc(10*time.Second, func() { close(host.gate) })
				if got := call(); strings.Contains(got, "not done") {
					t.Errorf("once it has started it says %s", got)
				}
				if host.boots != 1 {
					t.Errorf("%d desktops were started", host.boots)
				}
				if err := c.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
