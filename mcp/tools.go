package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
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
	output      any  // the zero value of what its structured content is
	computer    bool // it is an action with mouse, keyboard or eyes; see isComputerAction
	run         func(ctx context.Context, c *call, v values) *mcp.CallToolResult
}

// hints are the annotations of a tool.
type hints struct {
	readOnly    bool // looks and changes nothing
	harmless    bool // undoes nothing that is there
	idempotent  bool // doing it twice is doing it once
	insideWorld bool // reaches nothing outside the desktop
}

var (
	desktopID = text("desktop_id", maxID, "an id that desktop_create or desktop_list gave",
		"The desktop. Without it: this conversation's own, which is started when there is none.")
	observation = choice("observe", `Which picture to answer with: "settled" once the screen has stopped changing, "changes" then only where it changed, "now" without waiting, "none" to go on faster.`,
		string(ObserveSettled), string(ObserveChanges), string(ObserveNow), string(ObserveNone))
	aimedAt = integer("frame", 1, math.MaxInt32, "The number of the picture that the coordinates are from. The call is refused when the screen has changed there since.")

	look = hints{readOnly: true, harmless: true, idempotent: true, insideWorld: true}
)

// actionTools returns the tools of the table [desktop.Actions], in its order.
func actionTools() ([]tool, error) {
	var list []tool
	for _, spec := range desktop.Actions {
		for _, row := range spec.Tools {
			v, in, err := rowVerb(spec, row)
			if err != nil {
				return nil, err
			}
			t := v.tool(row.Description, in.hints, beside(spec, in.params), outcomeOf(spec))
			t.computer = isComputerAction(row.Preset)
			list = append(list, t)
		}
	}
	return list, nil
}

// rowVerb is what a row of the table means.
func rowVerb(spec desktop.Spec, row desktop.Tool) (verb, input, error) {
	in, err := inputOf(spec, row)
	if err != nil {
		return verb{}, in, fmt.Errorf("tool %s: %w", row.Name, err)
	}
	v := verb{
		name: row.Name, params: in.params, example: row.Example,
		actions: func(v values) ([]desktop.Action, error) {
			a, err := in.fill(row.Preset, v)
			return []desktop.Action{a}, err
		},
	}
	if err := v.check(); err != nil {
		return verb{}, in, fmt.Errorf("tool %s: %w", row.Name, err)
	}
	return v, in, nil
}

// inputOf returns what the tool of a row takes: what is said of it in toolset, or
// else what the fields of its Action are.
func inputOf(spec desktop.Spec, row desktop.Tool) (input, error) {
	if in, ok := toolset[row.Name]; ok {
		return in, nil
	}
	d, err := derive(row.Preset)
	in := input{params: d.params(), fill: func(_ desktop.Action, v values) (desktop.Action, error) { return d.fill(v) }}
	if spec.Looks {
		in.hints = look
	}
	return in, err
}

// check reports a verb whose example does not become an action.
func (v verb) check() error {
	args, err := decodeArgs(v.params, json.RawMessage(v.example))
	if err != nil {
		return err
	}
	actions, err := v.actions(args)
	if err != nil {
		return err
	}
	for _, a := range actions {
		if err := a.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// tool returns the tool that does v, which takes common arguments beside its
// own.
func (v verb) tool(description string, h hints, common []param, output any) tool {
	return tool{
		name:        v.name,
		description: description,
		params:      slices.Concat(v.params, common),
		example:     v.example,
		hints:       h,
		output:      output,
		run: func(ctx context.Context, c *call, args values) *mcp.CallToolResult {
			actions, err := v.actions(args)
			if err != nil {
				return c.rejected(ctx, get[string](args, desktopID.name), c.refuse(err))
			}
			return c.act(ctx, requestOf(actions, args))
		},
	}
}

// outcomeOf returns what the structured content of an action's tools is.
func outcomeOf(spec desktop.Spec) any {
	switch answers := spec.Answers; {
	case answers.Has(desktop.AnswersFile):
		return FileOutcome{}
	case answers.Has(desktop.AnswersListing):
		return ListingOutcome{}
	case answers.Has(desktop.AnswersData):
		return TextOutcome{}
	case spec.Batchable(), answers.Has(desktop.AnswersSteps):
		return Outcome{}
	case answers.Has(desktop.AnswersWindows):
		return WindowsOutcome{}
	case answers.Has(desktop.AnswersOutput):
		return ExecOutcome{}
	}
	return Outcome{}
}

// beside returns the arguments that the tool of an action takes beside its own.
func beside(spec desktop.Spec, own []param) []param {
	var list []param
	if slices.ContainsFunc(own, func(p param) bool { return p.name == "coordinate" || p.name == "path" }) && spec.Name != (desktop.Move{}).Name() {
		list = append(list, aimedAt)
	}
	if spec.Batchable() {
		list = append(list, observation)
	}
	return append(list, desktopID)
}

// takes returns the arguments that a client is shown.
func (t tool) takes() []param {
	if t.verbs == nil {
		return t.params
	}
	return append(t.verbs.params(), t.params...)
}

// named returns the desktop_id of arguments that could not be decoded, as far as
// they have one.
func named(raw json.RawMessage) string {
	fields, err := splitObject(raw)
	if err != nil {
		return ""
	}
	for _, f := range fields {
		if f.name == desktopID.name {
			id, _ := desktopID.decode(f.raw)
			s, _ := id.(string)
			return s
		}
	}
	return ""
}

// definitions are what a client is shown of tools. Output schemas would be most of
// it: each is shown once, with the first tool that has it, and that of an Outcome,
// which most tools have, not at all. docs/profiles.md tells it.
func definitions(tools []tool) ([]mcp.Tool, error) {
	shown := map[reflect.Type]bool{reflect.TypeFor[Outcome](): true}
	var list []mcp.Tool
	for _, t := range tools {
		d := t.definition()
		if output := reflect.TypeOf(t.output); !shown[output] {
			shown[output] = true
			var err error
			if d.RawOutputSchema, err = outputSchema(t.output); err != nil {
				return nil, fmt.Errorf("define tool %s: %w", t.name, err)
			}
		}
		list = append(list, d)
	}
	return list, nil
}

// definition is what a client is shown of the tool, without its output schema.
func (t tool) definition() mcp.Tool {
	title := strings.ReplaceAll(t.name, "_", " ")
	destructive, open := !t.hints.harmless, !t.hints.insideWorld
	return mcp.Tool{
		Name:        t.name,
		Description: t.description,
		InputSchema: inputSchema(t.takes()),
		Annotations: mcp.ToolAnnotation{
			Title:           strings.ToUpper(title[:1]) + title[1:],
			ReadOnlyHint:    &t.hints.readOnly,
			DestructiveHint: &destructive,
			IdempotentHint:  &t.hints.idempotent,
			OpenWorldHint:   &open,
		},
	}
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
