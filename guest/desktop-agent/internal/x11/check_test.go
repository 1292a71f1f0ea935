package x11

import (
	"errors"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
)

func TestCheckFindsWhatIsWrong(t *testing.T) {
	d, _ := startDisplay(t)
	left := desktop.Click{Button: desktop.Left, Count: 1}
	for _, tt := range []struct {
		action desktop.Action
		want   string // in the message; "" when nothing is wrong
	}{
		{desktop.Move{To: desktop.Point{X: 1279, Y: 799}}, ""},
		{desktop.Move{To: desktop.Point{X: 1280, Y: 0}}, "x goes from 0 to 1279"},
		{left, ""},
		{desktop.Click{Button: desktop.Left, Count: 1, At: at(0, 800)}, "y from 0 to 799"},
		{desktop.Click{Button: desktop.Left, Count: 1, Modifiers: []string{"ctlr"}}, "ctl"},
		{desktop.Scroll{DY: 1, Modifiers: []string{"a"}}, "use ctrl, shift, alt or super"},
		{desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 1, Y: 1}, {X: 1, Y: 800}}}, "outside the screen"},
		{desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 1, Y: 1}}, Modifiers: []string{"ctlr"}}, "ctl"},
		{desktop.Key{Keys: "ctrl+s"}, ""},
		{desktop.Key{Keys: "ctrl+Retrun"}, "Return"},
		{desktop.HoldKey{Keys: "Retrun"}, "Return"},
		{desktop.Type{Text: "日本"}, ""},
		{desktop.Type{Text: "ab\x03"}, "character 3"},
		{desktop.Wait{DurationMS: 1}, ""},
		{desktop.ButtonUp{Button: desktop.Left}, ""}, // known only when its turn comes
	} {
		err := d.Check(tt.action)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%+v: %v", tt.action, err)
			}
			continue
		}
		var e *desktop.Error
		if !errors.As(err, &e) || e.Code != desktop.CodeInvalid || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%+v: got error %v, want an invalid action and %q", tt.action, err, tt.want)
		}
	}
}
