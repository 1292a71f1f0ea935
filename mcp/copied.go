package mcp

import (
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
)

// TextOutcome is the structured content of get_clipboard.
type TextOutcome struct {
	DesktopID string   `json:"desktop_id" jsonschema:"the desktop it is on"`
	Text      string   `json:"text" jsonschema:"its first and last part when truncated; without control characters but newline and tab"`
	Bytes     int64    `json:"bytes" jsonschema:"how much there is"`
	Truncated bool     `json:"truncated" jsonschema:"whether part of it was left out"`
	Notices   []string `json:"notices,omitempty" jsonschema:"what else must be known, such as state that was lost"`
}

// textResult answers an action whose answer is text.
func textResult(id string, res *desktop.Result) *mcp.CallToolResult {
	out := TextOutcome{DesktopID: id, Bytes: int64(len(res.Data)), Notices: notices(res.Notices)}
	var b strings.Builder
	out.Text, out.Truncated = output(&b, "text", res.Data, out.Bytes, "")
	return result(out, withNotices(out.Notices, strings.TrimSuffix(b.String(), "\n")))
}
