package mcp

import (
	"github.com/vmette/vmette-mcp/desktop"
)

// input is what a tool of the table [desktop.Actions] takes.
type input struct {
	params []param
	hints  hints
	fill   func(preset desktop.Action, v values) (desktop.Action, error)
}

var (
	at        = point("coordinate", "Where, as [x, y] in pixels of the last whole screenshot. Without it: where the pointer is.")
	there     = point("coordinate", "Where to, as [x, y] in pixels of the last whole screenshot.").needed()
	modifiers = keys("text", `Modifier keys to hold meanwhile, such as "ctrl" or "ctrl+shift".`)

	click = input{params: []param{at, modifiers}, fill: filled(func(a *desktop.Click, v values) {
		a.At, a.Modifiers = get[*desktop.Point](v, "coordinate"), get[[]string](v, "text")
	})}
)

// toolset are the arguments of the tools of Anthropic's computer toolset
// computer_toolset_20260801 where they are not those that the fields of the Action
// have. Their names and types are what models were trained on.
var toolset = map[string]input{
	"screenshot": {hints: look, fill: preset},
	"zoom": {
		params: []param{region("region", "The part to look at, as [x0, y0, x1, y1] in pixels of the last whole screenshot; x1 and y1 are excluded.").needed()},
		hints:  look,
		fill:   filled(func(a *desktop.Screenshot, v values) { a.Region = get[*desktop.Rect](v, "region") }),
	},
	"mouse_move": {
		params: []param{there},
		hints:  hints{harmless: true, idempotent: true, insideWorld: true},
		fill:   filled(func(a *desktop.Move, v values) { a.To = *get[*desktop.Point](v, "coordinate") }),
	},
	"left_click":   click,
	"right_click":  click,
	"middle_click": click,
	"double_click": click,
	"triple_click": click,
	"left_click_drag": {
		params: []param{
			point("start_coordinate", "Where from, as [x, y] in pixels of the last whole screenshot. Without it: where the pointer is."),
			there, modifiers,
		},
		fill: filled(func(a *desktop.Drag, v values) {
			a.Path, a.Modifiers = nil, get[[]string](v, "text")
			if from := get[*desktop.Point](v, "start_coordinate"); from != nil {
				a.Path = append(a.Path, *from)
			}
			a.Path = append(a.Path, *get[*desktop.Point](v, "coordinate"))
		}),
	},
	"scroll": {
		params: []param{
			at,
			choice("scroll_direction", "Which way.", "up", "down", "left", "right").needed(),
			integer("scroll_amount", 1, desktop.MaxNotches, "How many notches of the wheel.").needed(),
			modifiers,
		},
		fill: filled(func(a *desktop.Scroll, v values) {
			*a = wheel(get[*desktop.Point](v, "coordinate"), get[string](v, "scroll_direction"), get[int](v, "scroll_amount"))
			a.Modifiers = get[[]string](v, "text")
		}),
	},
	"type": {
		params: []param{text("text", desktop.MaxText, "the text to type", "The text, any Unicode. A newline is the Return key, a tab the Tab key.").needed()},
		fill:   filled(func(a *desktop.Type, v values) { a.Text = get[string](v, "text") }),
	},
	"key": {
		params: []param{
			text("text", desktop.MaxChord, `a key or chord such as "Return" or "ctrl+s"`, `The key, or keys joined by +, such as "Return", "Page_Down", "ctrl+s".`).needed(),
			integer("repeat", 1, desktop.MaxRepeat, "How many times to press it. Without it: once."),
		},
		fill: filled(func(a *desktop.Key, v values) { a.Keys, a.Repeat = get[string](v, "text"), get[int](v, "repeat") }),
	},
	"hold_key": {
		params: []param{
			text("text", desktop.MaxChord, `a key or chord such as "shift" or "ctrl+alt"`, "The key, or keys joined by +.").needed(),
			seconds("duration", 0, desktop.MaxDuration, "How long to hold it, in seconds. Fractions are fine.").needed(),
		},
		fill: filled(func(a *desktop.HoldKey, v values) {
			a.Keys, a.DurationMS = get[string](v, "text"), get[int](v, "duration")
		}),
	},
	"wait": {
		params: []param{seconds("duration", 0, desktop.MaxDuration, "How long to wait, in seconds. Fractions are fine.").needed()},
		hints:  look,
		fill:   filled(func(a *desktop.Wait, v values) { a.DurationMS = get[int](v, "duration") }),
	},
}

// preset is the fill of a tool without arguments.
func preset(a desktop.Action, _ values) (desktop.Action, error) { return a, nil }

// filled is the fill of a tool whose arguments set fields of its preset.
func filled[A desktop.Action](set func(*A, values)) func(desktop.Action, values) (desktop.Action, error) {
	return func(preset desktop.Action, v values) (desktop.Action, error) {
		a := preset.(A)
		set(&a, v)
		return a, nil
	}
}

// wheel returns the action that turns the wheel by notches in a direction.
func wheel(at *desktop.Point, direction string, notches int) desktop.Scroll {
	a := desktop.Scroll{At: at}
	switch direction {
	case "up":
		a.DY = -notches
	case "down":
		a.DY = notches
	case "left":
		a.DX = -notches
	case "right":
		a.DX = notches
	}
	return a
}
