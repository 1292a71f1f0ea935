package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
)

// tool is one tool: what a client is shown of it, and what a call of it does.
type tool struct {
	name        string
	description string
	params      []param
	verbs       *verbs // when it does several things: params are beside theirs
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
	observation = choice("observe", `Which picture to answer with: "settled" once the screen has stopped changing, "now" without waiting for that, "none" to go on faster.`,
		string(desktop.ObserveSettled), string(desktop.ObserveNow), string(desktop.ObserveNone))
	aimedAt = integer("frame", 1, math.MaxInt32, "The number of the picture that the coordinates were taken from. The call is refused when the screen has changed there since.")

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
			in, err := inputOf(row)
			if err != nil {
				return nil, err
			}
			if err := checkRow(row, in); err != nil {
				return nil, fmt.Errorf("tool %s: %w", row.Name, err)
			}
			list = append(list, in.verb(row).tool(row.Description, in.hints, beside(spec, in.params)))
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
	_, err = newView(desktop.Size{Width: 1280, Height: 800}, settings{}).aim(a)
	return err
}

func inputOf(row desktop.Tool) (input, error) {
	in, ok := inputs[row.Name]
	if !ok {
		return in, fmt.Errorf("tool %s has no arguments: add it to inputs", row.Name)
	}
	return in, nil
}

// verb is what a row of the table means.
func (in input) verb(row desktop.Tool) verb {
	return verb{
		name: row.Name, params: in.params, example: in.example,
		actions: func(v values) ([]desktop.Action, error) {
			a, err := fill(row.Preset, v)
			return []desktop.Action{a}, err
		},
	}
}

// tool returns the tool that does v, which takes common arguments beside its
// own.
func (v verb) tool(description string, h hints, common []param) tool {
	return tool{
		name:        v.name,
		description: description,
		params:      slices.Concat(v.params, common),
		example:     v.example,
		hints:       h,
		output:      outcomeOf(v.name),
		run: func(ctx context.Context, c *call, args values) *mcp.CallToolResult {
			actions, err := v.actions(args)
			if err != nil {
				return c.refuse(err)
			}
			return c.act(ctx, requestOf(actions, args))
		},
	}
}

// outcomeOf returns what the structured content of a tool is.
func outcomeOf(name string) any {
	if name == (desktop.Exec{}).Name() {
		return ExecOutcome{}
	}
	return Outcome{}
}

// beside returns the arguments that the tool of an action takes beside its own.
func beside(spec desktop.Spec, own []param) []param {
	var list []param
	if slices.ContainsFunc(own, func(p param) bool { return p.name == "coordinate" }) && spec.Name != (desktop.Move{}).Name() {
		list = append(list, aimedAt)
	}
	if spec.Batchable() {
		list = append(list, observation)
	}
	return append(list, desktopID)
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
		a = wheel(get[*desktop.Point](v, "coordinate"), get[string](v, "scroll_direction"), get[int](v, "scroll_amount"))
		a.Modifiers = get[[]string](v, "text")
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

// takes returns the arguments that a client is shown.
func (t tool) takes() []param {
	if t.verbs == nil {
		return t.params
	}
	return append(t.verbs.params(), t.params...)
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
		InputSchema:     inputSchema(t.takes()),
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
	var (
		what, example = t.name, t.example
		v             values
		err           error
	)
	if t.verbs != nil {
		var chosen verb
		if chosen, v, err = t.verbs.decode(raw, t.params); chosen.name != "" {
			what, example = chosen.name, t.verbs.example(chosen)
		}
	} else {
		v, err = decodeArgs(t.params, raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%s was not done: %w. Example: %s %s", what, err, t.name, example)
	}
	return v, nil
}
