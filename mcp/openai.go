package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
)

const (
	// openaiWait is how long OpenAI's wait lasts, which names no time.
	openaiWait = 2000 // milliseconds
	// maxScroll is how many pixels a scroll may go.
	maxScroll = desktop.MaxNotches * desktop.NotchPixels
)

// openaiButtons are the buttons of OpenAI's click.
var openaiButtons = map[string]desktop.Button{
	"left": desktop.Left, "right": desktop.Right, "wheel": desktop.Middle, "back": desktop.Back, "forward": desktop.Forward,
}

var (
	pixelX = integer("x", 0, desktop.MaxScreen-1, "How far from the left, in pixels of the last screenshot.").needed()
	pixelY = integer("y", 0, desktop.MaxScreen-1, "How far from the top, in pixels of the last screenshot.").needed()
	held   = chordKeys("keys", 0, desktop.MaxModifiers, `Modifier keys to hold meanwhile, such as ["CTRL"].`).orNull()
	which  = choice("button", "Which button. Without it: left.", "left", "right", "wheel", "back", "forward").orNull()
)

// openaiVerbs are OpenAI's computer actions.
var openaiVerbs = verbs{tag: "type", description: "What to do.", list: []verb{
	{
		name: "click", params: []param{which, pixelX, pixelY, held}, example: `{"button": "left", "x": 640, "y": 400}`,
		actions: func(v values) ([]desktop.Action, error) { return openaiClick(v, 1), nil },
	},
	{
		name: "double_click", params: []param{which, pixelX, pixelY, held}, example: `{"x": 640, "y": 400}`,
		actions: func(v values) ([]desktop.Action, error) { return openaiClick(v, 2), nil },
	},
	{
		name: "drag", params: []param{pathOf("path", "The way, with the button held from the first point to the last.").needed(), held},
		example: `{"path": [{"x": 100, "y": 100}, {"x": 300, "y": 200}]}`,
		actions: func(v values) ([]desktop.Action, error) {
			return one(desktop.Drag{Button: desktop.Left, Path: get[[]desktop.Point](v, "path"), Modifiers: get[[]string](v, "keys")})
		},
	},
	{
		name: "keypress", params: []param{chordKeys("keys", 1, desktop.MaxModifiers+1, `The keys to press together, such as ["CTRL", "S"].`).needed()},
		example: `{"keys": ["CTRL", "S"]}`,
		actions: func(v values) ([]desktop.Action, error) {
			return one(desktop.Key{Keys: strings.Join(get[[]string](v, "keys"), "+")})
		},
	},
	{
		name: "move", params: []param{pixelX, pixelY}, example: `{"x": 640, "y": 400}`,
		actions: func(v values) ([]desktop.Action, error) { return one(desktop.Move{To: *xy(v, "x", "y")}) },
	},
	{
		name: "screenshot", example: `{}`,
		actions: func(values) ([]desktop.Action, error) { return one(desktop.Screenshot{}) },
	},
	{
		name: "scroll", params: []param{
			pixelX, pixelY,
			integer("scroll_x", -maxScroll, maxScroll, "How far to the right, in pixels; negative to the left.").needed(),
			integer("scroll_y", -maxScroll, maxScroll, "How far down, in pixels; negative up.").needed(),
			held,
		},
		example: `{"x": 640, "y": 400, "scroll_x": 0, "scroll_y": 300}`,
		actions: func(v values) ([]desktop.Action, error) {
			a := desktop.Scroll{
				At: xy(v, "x", "y"), Modifiers: get[[]string](v, "keys"),
				DX: get[int](v, "scroll_x"), DY: get[int](v, "scroll_y"), Pixels: true,
			}
			if a.DX == 0 && a.DY == 0 {
				return nil, errors.New("scroll_x and scroll_y are both 0: send how far to scroll")
			}
			return one(a)
		},
	},
	{
		name: "type", params: []param{text("text", desktop.MaxText, "the text to type", "The text, any Unicode.").needed()},
		example: `{"text": "hello"}`,
		actions: func(v values) ([]desktop.Action, error) { return one(desktop.Type{Text: get[string](v, "text")}) },
	},
	{
		name: "wait", example: `{}`,
		actions: func(values) ([]desktop.Action, error) { return one(desktop.Wait{DurationMS: openaiWait}) },
	},
}}

// openaiTool takes what a computer_call holds: one action, or a list of them.
func openaiTool() tool {
	return tool{
		name: "computer",
		description: "Operate the desktop with mouse and keyboard, and look at it. Send one action, or several in actions, which are done one after the other up to the first failure. " +
			"The answer says how each went and shows the screen once it has settled, if it changed.",
		params: []param{
			openaiVerbs.steps("actions", "The actions in order. A screenshot among them is the picture at the end."),
			openaiVerbs.step("action", "One action, instead of actions."),
			aimedAt, observation, desktopID,
		},
		example: `{"actions": [{"type": "click", "button": "left", "x": 640, "y": 400}, {"type": "type", "text": "hello"}]}`,
		output:  Outcome{},
		run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
			several, one := get[[]desktop.Action](v, "actions"), get[[]desktop.Action](v, "action")
			if (several == nil) == (one == nil) {
				return c.refuse(errors.New("it takes either action or actions: send one of them"))
			}
			return c.act(ctx, requestOf(append(one, several...), v))
		},
	}
}

func openaiClick(v values, count int) []desktop.Action {
	b := openaiButtons["left"]
	if name := get[string](v, "button"); name != "" {
		b = openaiButtons[name]
	}
	return []desktop.Action{desktop.Click{Button: b, Count: count, At: xy(v, "x", "y"), Modifiers: get[[]string](v, "keys")}}
}

// one returns the actions of a verb that is one action.
func one(a desktop.Action) ([]desktop.Action, error) { return []desktop.Action{a}, nil }

// xy returns the point whose coordinates are in two arguments.
func xy(v values, x, y string) *desktop.Point {
	return &desktop.Point{X: get[int](v, x), Y: get[int](v, y)}
}

// chordKeys is a list of keys to press together. With lo 0 it may be empty, which
// is the same as absent.
func chordKeys(name string, lo, hi int, description string) param {
	return param{
		name: name,
		schema: map[string]any{
			"type": "array", "items": map[string]any{"type": "string", "minLength": 1, "maxLength": desktop.MaxChord},
			"minItems": lo, "maxItems": hi, "description": description,
		},
		send: fmt.Sprintf(`a list of %d to %d key names such as ["CTRL"]`, lo, hi),
		decode: func(raw json.RawMessage) (any, error) {
			var items []json.RawMessage
			if kind(raw) != "an array" || json.Unmarshal(raw, &items) != nil {
				return nil, fmt.Errorf("is %s", describe(raw))
			}
			if len(items) < lo || len(items) > hi {
				return nil, fmt.Errorf("has %d keys", len(items))
			}
			var list []string
			for _, item := range items {
				s, err := decodeText(item, desktop.MaxChord)
				if err != nil {
					return nil, fmt.Errorf("holds a key that %w", err)
				}
				list = append(list, s)
			}
			return list, nil
		},
	}
}

// pathOf is a list of points, {"x": X, "y": Y}.
func pathOf(name, description string) param {
	coordinates := []param{pixelX, pixelY}
	s := inputSchema(coordinates)
	return param{
		name: name,
		schema: map[string]any{
			"type": "array", "minItems": 2, "maxItems": desktop.MaxPath, "description": description,
			"items": map[string]any{"type": s.Type, "properties": s.Properties, "required": s.Required, "additionalProperties": false},
		},
		send: fmt.Sprintf(`a list of 2 to %d points such as {"x": 100, "y": 100}`, desktop.MaxPath),
		decode: func(raw json.RawMessage) (any, error) {
			var items []json.RawMessage
			if kind(raw) != "an array" || json.Unmarshal(raw, &items) != nil {
				return nil, fmt.Errorf("is %s", describe(raw))
			}
			if len(items) < 2 || len(items) > desktop.MaxPath {
				return nil, fmt.Errorf("has %s", plural(len(items), "point", "points"))
			}
			path := make([]desktop.Point, len(items))
			for i, item := range items {
				v, err := decodeArgs(coordinates, slices.Clip(item))
				if err != nil {
					return nil, told{fmt.Errorf("has a wrong point %d: %w", i+1, err)}
				}
				path[i] = *xy(v, "x", "y")
			}
			return path, nil
		},
	}
}
