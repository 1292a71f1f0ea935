package mcp

import (
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
)

// maxTitle bounds the title and the class of a window in a result, in bytes.
const maxTitle = 300

// WindowsOutcome is the structured content of list_windows.
type WindowsOutcome struct {
	DesktopID string          `json:"desktop_id" jsonschema:"the desktop they are on"`
	Windows   []WindowOutcome `json:"windows" jsonschema:"from the lowest to the topmost"`
	Notices   []string        `json:"notices,omitempty" jsonschema:"what else must be known, such as state that was lost"`
}

// WindowOutcome is one window of an application.
type WindowOutcome struct {
	ID        uint32 `json:"id" jsonschema:"names it in change_window"`
	Title     string `json:"title"`
	Class     string `json:"class" jsonschema:"of its application"`
	PID       int    `json:"pid,omitempty" jsonschema:"of its process"`
	Region    []int  `json:"region" jsonschema:"[x0, y0, x1, y1] with its frame, in the coordinates of the tools; may reach beyond the screen"`
	Focused   bool   `json:"focused,omitempty"`
	Maximized bool   `json:"maximized,omitempty"`
	Minimized bool   `json:"minimized,omitempty"`
	Full      bool   `json:"full_screen,omitempty"`
}

// windows are windows in the coordinates of the model.
func (v view) windows(list []desktop.Window) []WindowOutcome {
	var out []WindowOutcome
	for _, w := range list {
		out = append(out, WindowOutcome{
			ID:        w.ID,
			Title:     desktop.PlainLine(w.Title, maxTitle),
			Class:     desktop.PlainLine(w.Class, maxTitle),
			PID:       w.PID,
			Region:    corners(v.fromScreen(w.Region)),
			Focused:   w.Focused,
			Maximized: w.Maximized,
			Minimized: w.Minimized,
			Full:      w.Full,
		})
	}
	return out
}

// windowsListed answers a list_windows.
func windowsListed(id string, v view, res *desktop.Result) *mcp.CallToolResult {
	out := WindowsOutcome{DesktopID: id, Windows: v.windows(res.Windows), Notices: notices(res.Notices)}
	if out.Windows == nil {
		out.Windows = []WindowOutcome{}
		return result(out, withNotices(out.Notices, "No window is open."))
	}
	lines := []string{plural(len(out.Windows), "window is", "windows are") + " open, the lowest first:"}
	for _, w := range out.Windows {
		lines = append(lines, w.sentence())
	}
	return result(out, withNotices(out.Notices, strings.Join(lines, "\n")))
}

// sentence describes a window.
func (w WindowOutcome) sentence() string {
	s := fmt.Sprintf("window %d %q of %q at %v", w.ID, w.Title, w.Class, desktop.Rect{X0: w.Region[0], Y0: w.Region[1], X1: w.Region[2], Y1: w.Region[3]})
	for _, state := range []struct {
		is   bool
		name string
	}{{w.Focused, "focused"}, {w.Maximized, "maximized"}, {w.Minimized, "minimized"}, {w.Full, "full screen"}} {
		if state.is {
			s += ", " + state.name
		}
	}
	return s
}
