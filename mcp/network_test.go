package mcp

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/vmette/vmette-mcp/sandbox"
)

// A desktop whose desktop_create was given up is for who asks for the same
// destinations, and for nobody else.
func TestCreateReturnsADesktopThatReachesWhatWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost()
		host.network = sandbox.Network{Mode: "allow", Allow: "a.example b.example"}
		host.gate, host.steps = make(chan struct{}), make(chan string)
		in, out, end := serveConfig(t, host, Config{Network: true})
		lines := scan(out)
		send(t, in, toolCall(1, "desktop_create", `{}`))
		host.steps <- "start qemu"
		send(t, in, fmt.Sprintf(cancelled, 1))
		synctest.Wait()
		close(host.gate)
		synctest.Wait()
		for i, tt := range []struct{ args, id, reaches string }{
			{`{"destinations":["a.example"]}`, "desk-2", "a.example and nothing else"},
			{`{}`, "desk-1", "a.example, b.example and nothing else"},
		} {
			var created struct {
				Result struct{ StructuredContent DesktopOutcome }
			}
			if err := json.Unmarshal([]byte(ask(t, in, lines, 2+i, "desktop_create", tt.args)), &created); err != nil {
				t.Fatal(err)
			}
			if got := created.Result.StructuredContent; got.DesktopID != tt.id || got.Network != tt.reaches {
				t.Errorf("desktop_create %s returned %+v, want %s that may reach %s", tt.args, got, tt.id, tt.reaches)
			}
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

// Who serves one conversation is told which desktop is its own, each time.
func TestOwnDesktopIsTold(t *testing.T) {
	host := newFakeHost()
	var told []string
	in, out, end := serveConfig(t, host, Config{OnOwn: func(owner, id string) {
		if d, err := host.Acquire(t.Context(), owner, id); err != nil {
			t.Errorf("%s: %v", id, err)
		} else {
			d.Release()
		}
		told = append(told, id)
	}})
	lines := scan(out)
	ask(t, in, lines, 1, "screenshot", `{}`)
	ask(t, in, lines, 2, "desktop_create", `{}`) // another one
	ask(t, in, lines, 3, "desktop_close", `{}`)
	ask(t, in, lines, 4, "screenshot", `{}`)
	if err := end(); err != nil {
		t.Error(err)
	}
	if len(told) != 2 || told[0] != "desk-1" || told[1] != "desk-3" {
		t.Errorf("told of %q, want desk-1 and desk-3", told)
	}
}
