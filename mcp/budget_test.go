package mcp

import (
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
)

// A client may want smaller pictures than the server sends, and never gets larger
// ones. Its coordinates are those of what it is shown.
func TestPicturesForAClient(t *testing.T) {
	host := newFakeHost() // whose screen is 320x200
	w := serveHTTP(t, host, HTTPConfig{})
	small := []string{headerMaxEdge, "160"}
	s := w.session()
	id := w.call(s, "desktop_create", `{}`).Result.StructuredContent.DesktopID
	calls := map[string]func(tool, args string, headers ...string) reply{
		"session": func(tool, args string, headers ...string) reply {
			return w.call(append(s[:len(s):len(s)], headers...), tool, args)
		},
		"no session": w.callStateless,
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			if o := call("screenshot", `{"desktop_id":"`+id+`"}`, small...); !strings.Contains(o.text(), "160x100 pixels, scaled from 320x200") {
				t.Errorf("it is told %s", o.text())
			}
			call("left_click", `{"coordinate":[159,99],"desktop_id":"`+id+`"}`, small...)
			if p := host.last().pointer; p != (desktop.Point{X: 319, Y: 199}) {
				t.Errorf("it clicked at %v", p)
			}
			if o := call("screenshot", `{"desktop_id":"`+id+`"}`); !strings.Contains(o.text(), "320x200 pixels.") {
				t.Errorf("without the header it is told %s", o.text())
			}
			for _, wrong := range []string{"63", "1569", "many"} {
				o := call("screenshot", `{"desktop_id":"`+id+`"}`, headerMaxEdge, wrong)
				if !o.Result.IsError || !strings.Contains(o.text(), "send a whole number from 64 to 1568") {
					t.Errorf("with %s it is told %s", wrong, o.text())
				}
			}
		})
	}
}
