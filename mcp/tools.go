package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/picture"
)

// tool is one tool: what a client is shown of it, and what a call of it does.
type tool struct {
	name        string
	description string
	params      []param
	example     string // arguments of a call that is right
	hints       hints
	output      any // the zero value of what its structured content is
	run         func(ctx context.Context, c *call, v values) *mcp.CallToolResult
}

// hints are the annotations of a tool.
type hints struct {
	readOnly    bool // looks and changes nothing
	harmless    bool // undoes nothing that is there
	idempotent  bool // doing it twice is doing it once
	insideWorld bool // reaches nothing outside the desktop
}

// input is what the tools of the table [desktop.Actions] take.
type input struct {
	params  []param
	example string
	hints   hints
}

var (
	at        = point("coordinate", "Where, as [x, y] in pixels of the last whole screenshot. Without it: where the pointer is.")
	modifiers = keys("text", `Modifier keys to hold meanwhile, such as "ctrl" or "ctrl+shift".`)
	desktopID = text("desktop_id", maxID, "an id that desktop_create or desktop_list gave",
		"The desktop to use. Without it: this conversation's own desktop, which is started when there is none.")

	look  = hints{readOnly: true, harmless: true, idempotent: true, insideWorld: true}
	click = input{params: []param{at, modifiers}, example: `{"coordinate": [640, 400]}`}
)

// inputs are the arguments of each tool that becomes an Action, beside
// desktop_id. Their names and types are those of Anthropic's computer toolset
// computer_toolset_20260801.
var inputs = map[string]input{
	"screenshot":      {example: `{}`, hints: look},
	"cursor_position": {example: `{}`, hints: look},
	"zoom": {
		params:  []param{region("region", "The part to look at, as [x0, y0, x1, y1] in pixels of the last whole screenshot; x1 and y1 are excluded.").needed()},
		example: `{"region": [0, 0, 640, 400]}`,
		hints:   look,
	},
	"mouse_move": {
		params:  []param{point("coordinate", "Where to, as [x, y] in pixels of the last whole screenshot.").needed()},
		example: `{"coordinate": [640, 400]}`,
		hints:   hints{harmless: true, idempotent: true, insideWorld: true},
	},
	"left_click":      click,
	"right_click":     click,
	"middle_click":    click,
	"double_click":    click,
	"triple_click":    click,
	"left_mouse_down": {example: `{}`},
	"left_mouse_up":   {example: `{}`},
	"left_click_drag": {
		params: []param{
			point("start_coordinate", "Where from, as [x, y] in pixels of the last whole screenshot. Without it: where the pointer is."),
			point("coordinate", "Where to, as [x, y] in pixels of the last whole screenshot.").needed(),
			modifiers,
		},
		example: `{"start_coordinate": [100, 100], "coordinate": [300, 200]}`,
	},
	"scroll": {
		params: []param{
			at,
			choice("scroll_direction", "Which way.", "up", "down", "left", "right").needed(),
			integer("scroll_amount", 1, desktop.MaxNotches, "How many notches of the wheel.").needed(),
			modifiers,
		},
		example: `{"coordinate": [640, 400], "scroll_direction": "down", "scroll_amount": 3}`,
	},
	"type": {
		params:  []param{text("text", desktop.MaxText, "the text to type", "The text, any Unicode. A newline is the Return key, a tab the Tab key.").needed()},
		example: `{"text": "hello"}`,
	},
	"key": {
		params: []param{
			text("text", desktop.MaxChord, `a key or chord such as "Return" or "ctrl+s"`, `The key, or keys joined by +, such as "Return", "Page_Down", "ctrl+s".`).needed(),
			integer("repeat", 1, desktop.MaxRepeat, "How many times to press it. Without it: once."),
		},
		example: `{"text": "ctrl+s"}`,
	},
	"hold_key": {
		params: []param{
			text("text", desktop.MaxChord, `a key or chord such as "shift" or "ctrl+alt"`, "The key, or keys joined by +.").needed(),
			seconds("duration", 0, desktop.MaxDuration, "How long to hold it, in seconds. Fractions are fine.").needed(),
		},
		example: `{"text": "shift", "duration": 1.5}`,
	},
	"wait": {
		params:  []param{seconds("duration", 0, desktop.MaxDuration, "How long to wait, in seconds. Fractions are fine.").needed()},
		example: `{"duration": 2}`,
		hints:   look,
	},
	"exec": {
		params: []param{
			text("command", desktop.MaxCommand, "a shell command; write a longer one to a file in pieces and run that", "The command line, for the desktop user's shell.").needed(),
			seconds("timeout", minTimeout, desktop.MaxTimeout, "How long it may run, in seconds. Without it: 30."),
		},
		example: `{"command": "ls -l ~", "timeout": 10}`,
	},
	"open_url": {
		params:  []param{text("url", desktop.MaxURL, "an http, https or file URL", "The http, https or file URL to open.").needed()},
		example: `{"url": "https://example.com/"}`,
	},
}

// actionTools returns the tools of the table [desktop.Actions], in its order.
func actionTools() ([]tool, error) {
	var list []tool
	for _, spec := range desktop.Actions {
		for _, row := range spec.Tools {
			in, ok := inputs[row.Name]
			if !ok {
				return nil, fmt.Errorf("tool %s has no arguments: add it to inputs", row.Name)
			}
			if err := checkRow(row, in); err != nil {
				return nil, fmt.Errorf("tool %s: %w", row.Name, err)
			}
			t := tool{
				name:        row.Name,
				description: row.Description,
				params:      append(in.params[:len(in.params):len(in.params)], desktopID),
				example:     in.example,
				hints:       in.hints,
				output:      Outcome{},
				run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
					a, err := fill(row.Preset, v)
					if err != nil {
						return c.refuse(err)
					}
					return c.act(ctx, a, get[string](v, "desktop_id"))
				},
			}
			if _, ok := row.Preset.(desktop.Exec); ok {
				t.output = ExecOutcome{}
			}
			list = append(list, t)
		}
	}
	return list, nil
}

// checkRow reports a tool whose example does not become an action on the screen:
// of a new Action whose arguments nobody fills in, or whose points nobody
// converts.
func checkRow(row desktop.Tool, in input) error {
	v, err := decodeArgs(in.params, json.RawMessage(in.example))
	if err != nil {
		return err
	}
	a, err := fill(row.Preset, v)
	if err != nil {
		return err
	}
	if err := a.Validate(); err != nil {
		return err
	}
	_, err = newView(desktop.Size{Width: 1280, Height: 800}, picture.Budget{}).aim(a)
	return err
}

// fill returns the Action that a call means, which is preset with the arguments
// filled in. Points are in pixels of the picture that the model was shown.
func fill(preset desktop.Action, v values) (desktop.Action, error) {
	switch a := preset.(type) {
	case desktop.Screenshot:
		a.Region = get[*desktop.Rect](v, "region")
		return a, nil
	case desktop.Move:
		a.To = *get[*desktop.Point](v, "coordinate")
		return a, nil
	case desktop.Click:
		a.At, a.Modifiers = get[*desktop.Point](v, "coordinate"), get[[]string](v, "text")
		return a, nil
	case desktop.Drag:
		a.Path, a.Modifiers = nil, get[[]string](v, "text")
		if from := get[*desktop.Point](v, "start_coordinate"); from != nil {
			a.Path = append(a.Path, *from)
		}
		a.Path = append(a.Path, *get[*desktop.Point](v, "coordinate"))
		return a, nil
	case desktop.Scroll:
		a.At, a.Modifiers = get[*desktop.Point](v, "coordinate"), get[[]string](v, "text")
		switch n := get[int](v, "scroll_amount"); get[string](v, "scroll_direction") {
		case "up":
			a.DY = -n
		case "down":
			a.DY = n
		case "left":
			a.DX = -n
		case "right":
			a.DX = n
		}
		return a, nil
	case desktop.Type:
		a.Text = get[string](v, "text")
		return a, nil
	case desktop.Key:
		a.Keys, a.Repeat = get[string](v, "text"), get[int](v, "repeat")
		return a, nil
	case desktop.HoldKey:
		a.Keys, a.DurationMS = get[string](v, "text"), get[int](v, "duration")
		return a, nil
	case desktop.Wait:
		a.DurationMS = get[int](v, "duration")
		return a, nil
	case desktop.Exec:
		a.Command, a.TimeoutMS = get[string](v, "command"), get[int](v, "timeout")
		return a, nil
	case desktop.OpenURL:
		a.URL = get[string](v, "url")
		return a, nil
	case desktop.CursorPosition, desktop.ButtonDown, desktop.ButtonUp:
		return preset, nil
	}
	return nil, fmt.Errorf("the arguments of a %T are not known: add it to fill", preset)
}

// definition is what a client is shown of the tool.
func (t tool) definition() (mcp.Tool, error) {
	output, err := outputSchema(t.output)
	if err != nil {
		return mcp.Tool{}, fmt.Errorf("define tool %s: %w", t.name, err)
	}
	title := strings.ReplaceAll(t.name, "_", " ")
	destructive, open := !t.hints.harmless, !t.hints.insideWorld
	return mcp.Tool{
		Name:            t.name,
		Description:     t.description,
		InputSchema:     inputSchema(t.params),
		RawOutputSchema: output,
		Annotations: mcp.ToolAnnotation{
			Title:           strings.ToUpper(title[:1]) + title[1:],
			ReadOnlyHint:    &t.hints.readOnly,
			DestructiveHint: &destructive,
			IdempotentHint:  &t.hints.idempotent,
			OpenWorldHint:   &open,
		},
	}, nil
}

// decode decodes the arguments of a call. Its error is for the model.
func (t tool) decode(raw json.RawMessage) (values, error) {
	v, err := decodeArgs(t.params, raw)
	if err != nil {
		return nil, fmt.Errorf("%s was not done: %w. Example: %s %s", t.name, err, t.name, t.example)
	}
	return v, nil
}
