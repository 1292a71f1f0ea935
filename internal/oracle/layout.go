package oracle

import "github.com/vmette/vmette-mcp/desktop"

// Cargo is what is dropped when the source is dragged to the target.
const Cargo = "cargo: ß 字 🎁"

// Layout is where the parts of every application are.
type Layout struct {
	Text   desktop.Rect `json:"text"`   // takes several lines
	Line   desktop.Rect `json:"line"`   // takes one
	Source desktop.Rect `json:"source"` // can be dragged
	Target desktop.Rect `json:"target"` // can be dropped on
}

// Parts is the layout for any screen of at least 1024x768. An xterm has none of
// these.
var Parts = Layout{
	Text:   desktop.Rect{X0: 40, Y0: 440, X1: 620, Y1: 720},
	Line:   desktop.Rect{X0: 660, Y0: 440, X1: 980, Y1: 480},
	Source: desktop.Rect{X0: 100, Y0: 100, X1: 220, Y1: 180},
	Target: desktop.Rect{X0: 500, Y0: 100, X1: 700, Y1: 220},
}

// Middle returns the point in the middle of a part.
func Middle(r desktop.Rect) desktop.Point {
	return desktop.Point{X: (r.X0 + r.X1) / 2, Y: (r.Y0 + r.Y1) / 2}
}
