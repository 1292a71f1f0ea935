package mcp

import (
	"fmt"
	"strings"
	"testing"
)

// What a conversation has left pressed is released when it ends, on a desktop that
// stays, and what another one holds is not.
func TestEndOfAConversationReleasesWhatItHolds(t *testing.T) {
	for name, press := range map[string][2]string{
		"button":                    {"left_mouse_down", `{%s}`},
		"key of one of two actions": {"perform", `{"actions":[{"action":"key","text":"a"},{"action":"key_down","text":"shift"}],%s}`},
	} {
		t.Run(name, func(t *testing.T) {
			host := newFakeHost()
			w := serveHTTP(t, host, HTTPConfig{})
			one, two := w.session(), w.session()
			named := `"desktop_id":"` + w.call(one, "desktop_create", `{}`).Result.StructuredContent.DesktopID + `"`
			if o := w.call(one, press[0], fmt.Sprintf(press[1], named)); o.Result.IsError {
				t.Fatal(o.text())
			}
			// The other one has pressed something as well, and let it go.
			for _, tool := range []string{"left_mouse_down", "left_mouse_up"} {
				if o := w.call(two, tool, `{`+named+`}`); o.Result.IsError {
					t.Fatal(o.text())
				}
			}
			released := func() bool { return strings.Contains(host.last().actions(), "desktop.Release") }
			w.do("DELETE", "/mcp", "", two...)
			if released() {
				t.Error("it was released by the end of another conversation")
			}
			w.do("DELETE", "/mcp", "", one...)
			if err := w.end(); err != nil {
				t.Error(err)
			}
			if !released() {
				t.Errorf("done was\n%s", host.last().actions())
			}
		})
	}
}
