package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

const (
	// geminiGrid is how many steps Gemini's coordinates divide each side of the
	// screen into: they go from 0 to 999.
	geminiGrid = 1000
	// geminiScroll is how far scroll goes that names no magnitude.
	geminiScroll = 300
	// geminiScrollAt is how far scroll_at goes that names none.
	geminiScrollAt = 800
	// geminiCenter is the middle of the grid.
	geminiCenter = geminiGrid / 2
)

var (
	gridX      = gridAt("x", "How far from the left.").needed()
	gridY      = gridAt("y", "How far from the top.").needed()
	intent     = text("intent", desktop.MaxCommand, "why you do this", "Why you do this. It changes nothing.").orNull()
	consent    = safetyDecision()
	typed      = text("text", desktop.MaxText, "the text to type", "The text, any Unicode.").needed()
	directions = choice("direction", "Which way.", "up", "down", "left", "right").needed()
)

// gridAt is a coordinate on the grid.
func gridAt(name, description string) param {
	return integer(name, 0, geminiGrid-1, description+" 0 and 999 are the edges of the screen.")
}

// gesture is a function of Gemini's, and what tools/list says of it.
type gesture struct {
	verb
	description string
	hints       hints
}

// geminiGestures are Gemini's functions for a desktop and, from click_at on, the
// older ones that mean something on a desktop.
var geminiGestures = []gesture{
	clicking("click", "Click the left button", desktop.Left, 1),
	clicking("double_click", "Double-click the left button", desktop.Left, 2),
	clicking("triple_click", "Triple-click the left button", desktop.Left, 3),
	clicking("middle_click", "Click the middle button", desktop.Middle, 1),
	clicking("right_click", "Click the right button", desktop.Right, 1),
	pointing("mouse_down", "Press the left button at a point and keep it pressed until mouse_up.", func(p desktop.Point) []desktop.Action {
		return []desktop.Action{desktop.Move{To: p}, desktop.ButtonDown{Button: desktop.Left}}
	}),
	pointing("mouse_up", "Move the pointer to a point and release the left button there.", func(p desktop.Point) []desktop.Action {
		return []desktop.Action{desktop.Move{To: p}, desktop.ButtonUp{Button: desktop.Left}}
	}),
	pointing("move", "Move the pointer to a point.", moveTo),
	{verb{
		name: "type", example: `{"text": "hello"}`,
		params: []param{typed, boolean("press_enter", "Whether to press Return afterwards. Without it: no.")},
		actions: func(v values) ([]desktop.Action, error) {
			return geminiType(v, get[bool](v, "press_enter")), nil
		},
	}, "Type text into what has the keyboard focus.", hints{}},
	{verb{
		name: "drag_and_drop", example: `{"start_x": 100, "start_y": 100, "end_x": 300, "end_y": 200}`,
		params: []param{
			gridAt("start_x", "Where from, from the left."), gridAt("start_y", "Where from, from the top."),
			gridAt("end_x", "Where to, from the left."), gridAt("end_y", "Where to, from the top."),
			gridAt("x", "The same as start_x."), gridAt("y", "The same as start_y."),
			gridAt("destination_x", "The same as end_x."), gridAt("destination_y", "The same as end_y."),
		},
		actions: geminiDrag,
	}, "Drag with the left button from one point to another.", hints{}},
	{verb{
		name: "wait", example: `{"seconds": 2}`,
		params: []param{seconds("seconds", 0, desktop.MaxDuration, "How long to wait. Without it: 1.")},
		actions: func(v values) ([]desktop.Action, error) {
			if ms, ok := v["seconds"].(int); ok {
				return one(desktop.Wait{DurationMS: ms})
			}
			return one(desktop.Wait{DurationMS: 1000})
		},
	}, "Wait, then show the screen if it changed.", look},
	{verb{
		name: "press_key", example: `{"key": "Enter"}`,
		params:  []param{text("key", desktop.MaxChord, `a key such as "Enter"`, "The key.").needed()},
		actions: func(v values) ([]desktop.Action, error) { return one(desktop.Key{Keys: get[string](v, "key")}) },
	}, "Press and release a key.", hints{}},
	{verb{
		name: "hotkey", example: `{"keys": ["Control", "s"]}`,
		params: []param{chordKeys("keys", 1, desktop.MaxModifiers+1, `The keys to press together, such as ["Control", "s"].`).needed()},
		actions: func(v values) ([]desktop.Action, error) {
			return one(desktop.Key{Keys: strings.Join(get[[]string](v, "keys"), "+")})
		},
	}, "Press and release several keys together.", hints{}},
	keyGesture("key_down", "Press a key and keep it pressed until key_up.", func(k string) desktop.Action { return desktop.KeyDown{Keys: k} }),
	keyGesture("key_up", "Release a key that key_down pressed.", func(k string) desktop.Action { return desktop.KeyUp{Keys: k} }),
	{verb{
		name: "take_screenshot", example: `{}`,
		actions: func(values) ([]desktop.Action, error) { return one(desktop.Screenshot{}) },
	}, "Take a picture of the whole desktop, with the pointer in it.", look},
	{verb{
		name: "scroll", example: `{"x": 500, "y": 500, "direction": "down", "magnitude_in_pixels": 300}`,
		params:  []param{gridX, gridY, directions, integer("magnitude_in_pixels", 1, maxScroll, "How far, in pixels. Without it: 300.")},
		actions: func(v values) ([]desktop.Action, error) { return geminiWheel(v, "magnitude_in_pixels", geminiScroll) },
	}, "Turn the mouse wheel at a point.", hints{}},
	{verb{
		name: "navigate", example: `{"url": "https://example.com/"}`,
		params:  []param{text("url", desktop.MaxURL, "an http, https or file URL", "The http, https or file URL to open.").needed()},
		actions: func(v values) ([]desktop.Action, error) { return one(desktop.OpenURL{URL: get[string](v, "url")}) },
	}, "Open an address in the desktop's web browser.", hints{}},

	clicking("click_at", "Click the left button", desktop.Left, 1),
	pointing("hover_at", "Move the pointer to a point.", moveTo),
	{verb{
		name: "type_text_at", example: `{"x": 500, "y": 250, "text": "hello", "press_enter": false}`,
		params: []param{
			gridX, gridY, typed,
			boolean("press_enter", "Whether to press Return afterwards. Without it: yes."),
			boolean("clear_before_typing", "Whether to delete what is in the field first. Without it: yes."),
		},
		actions: geminiTypeAt,
	}, "Click a field, delete what is in it, type text into it and press Return.", hints{}},
	{verb{
		name: "key_combination", example: `{"keys": "Control+A"}`,
		params:  []param{text("keys", desktop.MaxChord, `keys joined by + such as "Control+A"`, "The keys to press together, joined by +.").needed()},
		actions: func(v values) ([]desktop.Action, error) { return one(desktop.Key{Keys: get[string](v, "keys")}) },
	}, "Press and release a key or several together.", hints{}},
	{verb{
		name: "scroll_document", example: `{"direction": "down"}`,
		params:  []param{directions},
		actions: geminiScrollDocument,
	}, "Scroll what has the keyboard focus by a page up or down, or what is in the middle of the screen to the left or right.", hints{}},
	{verb{
		name: "scroll_at", example: `{"x": 500, "y": 500, "direction": "down"}`,
		params:  []param{gridX, gridY, directions, integer("magnitude", 1, geminiGrid-1, "How far. Without it: 800.")},
		actions: func(v values) ([]desktop.Action, error) { return geminiWheel(v, "magnitude", geminiScrollAt) },
	}, "Turn the mouse wheel at a point.", hints{}},
	{verb{
		name: "wait_5_seconds", example: `{}`,
		actions: func(values) ([]desktop.Action, error) { return one(desktop.Wait{DurationMS: 5000}) },
	}, "Wait for 5 seconds, then show the screen if it changed.", look},
}

// geminiUnsupported are the functions of Gemini's that control a browser, which a
// desktop cannot do without knowing which window is meant, and what to do
// instead.
var geminiUnsupported = map[string]string{
	"open_web_browser": "navigate with an address opens the browser",
	"search":           "navigate with the address of a search engine opens it",
	"go_back":          `key_combination with "Alt+Left" goes back in the browser once its window has the focus`,
	"go_forward":       `key_combination with "Alt+Right" goes forward in the browser once its window has the focus`,
}

// geminiTools returns the tools of the profile.
func geminiTools() []tool {
	var list []tool
	for _, g := range geminiGestures {
		common := []param{intent, consent, desktopID}
		if g.hints != look || g.name != "take_screenshot" {
			common = append([]param{observation}, common...)
		}
		if slices.ContainsFunc(g.params, func(p param) bool { return p.name == gridX.name }) {
			common = append([]param{aimedAt}, common...)
		}
		list = append(list, g.tool(g.description, g.hints, common, Outcome{}))
	}
	for _, name := range slices.Sorted(maps.Keys(geminiUnsupported)) {
		list = append(list, unsupported(name, geminiUnsupported[name]))
	}
	return list
}

// unsupported is a tool that refuses.
func unsupported(name, instead string) tool {
	return tool{
		name:        name,
		description: "Not supported: it " + controlsBrowser + ". Instead: " + instead + ".",
		params:      []param{intent, consent, desktopID},
		example:     `{}`,
		hints:       look,
		output:      UnsupportedOutcome{},
		run: func(ctx context.Context, _ *call, _ values) *mcp.CallToolResult {
			rpc.ArrivalOf(ctx).Pass(nil)
			return (&unsupportedError{name, controlsBrowser, instead}).answer()
		},
	}
}

func clicking(name, description string, b desktop.Button, count int) gesture {
	return pointing(name, description+" at a point.", func(p desktop.Point) []desktop.Action {
		return []desktop.Action{desktop.Click{Button: b, Count: count, At: &p}}
	})
}

// pointing is a gesture at a point.
func pointing(name, description string, do func(desktop.Point) []desktop.Action) gesture {
	return gesture{verb{
		name: name, params: []param{gridX, gridY}, example: `{"x": 500, "y": 300}`,
		actions: func(v values) ([]desktop.Action, error) { return do(*xy(v, "x", "y")), nil },
	}, description, hints{}}
}

// keyGesture is a gesture with one key.
func keyGesture(name, description string, do func(key string) desktop.Action) gesture {
	return gesture{verb{
		name: name, params: []param{text("key", desktop.MaxChord, `a key such as "Shift"`, "The key.").needed()}, example: `{"key": "Shift"}`,
		actions: func(v values) ([]desktop.Action, error) { return one(do(get[string](v, "key"))) },
	}, description, hints{}}
}

func moveTo(p desktop.Point) []desktop.Action { return []desktop.Action{desktop.Move{To: p}} }

func geminiType(v values, enter bool) []desktop.Action {
	list := []desktop.Action{desktop.Type{Text: get[string](v, "text")}}
	if enter {
		list = append(list, desktop.Key{Keys: "Return"})
	}
	return list
}

func geminiTypeAt(v values) ([]desktop.Action, error) {
	list := []desktop.Action{desktop.Click{Button: desktop.Left, Count: 1, At: xy(v, "x", "y")}}
	if yes(v, "clear_before_typing") {
		list = append(list, desktop.Key{Keys: "ctrl+a"}, desktop.Key{Keys: "BackSpace"})
	}
	return append(list, geminiType(v, yes(v, "press_enter"))...), nil
}

// yes returns a flag that is set unless it was sent.
func yes(v values, name string) bool {
	set, sent := v[name].(bool)
	return set || !sent
}

func geminiDrag(v values) ([]desktop.Action, error) {
	from, err := eitherPoint(v, "start_x", "start_y", "x", "y")
	if err != nil {
		return nil, err
	}
	to, err := eitherPoint(v, "end_x", "end_y", "destination_x", "destination_y")
	if err != nil {
		return nil, err
	}
	return one(desktop.Drag{Button: desktop.Left, Path: []desktop.Point{*from, *to}})
}

// eitherPoint returns a point that has two pairs of names, of which one pair must
// be sent.
func eitherPoint(v values, x, y, otherX, otherY string) (*desktop.Point, error) {
	sent := func(name string) bool { _, ok := v[name]; return ok }
	first, second := sent(x) && sent(y), sent(otherX) && sent(otherY)
	switch {
	case first && !sent(otherX) && !sent(otherY):
		return xy(v, x, y), nil
	case second && !sent(x) && !sent(y):
		return xy(v, otherX, otherY), nil
	}
	return nil, fmt.Errorf("it takes both %s and %s, or both %s and %s: send one pair", x, y, otherX, otherY)
}

func geminiWheel(v values, magnitude string, otherwise int) ([]desktop.Action, error) {
	far, ok := v[magnitude].(int)
	if !ok {
		far = otherwise
	}
	return one(wheelBy(xy(v, "x", "y"), get[string](v, "direction"), far))
}

func geminiScrollDocument(v values) ([]desktop.Action, error) {
	switch direction := get[string](v, "direction"); direction {
	case "up":
		return one(desktop.Key{Keys: "Page_Up"})
	case "down":
		return one(desktop.Key{Keys: "Page_Down"})
	default:
		return one(wheelBy(&desktop.Point{X: geminiCenter, Y: geminiCenter}, direction, geminiScrollAt))
	}
}

// wheelBy is like wheel for a number of pixels.
func wheelBy(at *desktop.Point, direction string, pixels int) desktop.Scroll {
	a := wheel(at, direction, pixels)
	a.Pixels = true
	return a
}

// safetyDecision is what Gemini adds to a call that a person must agree to. It is
// refused: whoever passes calls on has to ask first.
func safetyDecision() param {
	return param{
		name:   "safety_decision",
		schema: map[string]any{"type": "object", "description": "Gemini's judgement of the action. One that requires confirmation is refused."},
		send:   "the call again without it once a person has agreed",
		decode: func(raw json.RawMessage) (any, error) {
			var d struct {
				Decision string `json:"decision"`
			}
			if kind(raw) != "an object" || json.Unmarshal(raw, &d) != nil {
				return nil, fmt.Errorf("is %s", describe(raw))
			}
			switch strings.ToLower(d.Decision) {
			case "regular", "allowed":
				return d.Decision, nil
			}
			return nil, errors.New("asks for a person's consent, which is not in the call")
		},
	}
}
