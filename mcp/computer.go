package mcp

import (
	"context"
	"errors"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
)

// The actions of Anthropic's computer tool, by the version that brought them.
var (
	computer20241022 = []string{
		"key", "type", "mouse_move", "left_click", "left_click_drag", "right_click", "middle_click", "double_click",
		"screenshot", "cursor_position",
	}
	computer20250124 = append(slices.Clip(computer20241022),
		"left_mouse_down", "left_mouse_up", "scroll", "hold_key", "wait", "triple_click")
	computer20251124 = append(slices.Clip(computer20250124), "zoom")
)

// computerTool returns the tool computer of a version of Anthropic's schema.
func computerTool(p Profile) (tool, error) {
	names := computer20251124
	switch p {
	case ProfileComputer20241022:
		names = computer20241022
	case ProfileComputer20250124:
		names = computer20250124
	}
	list, err := toolsetVerbs(func(_ desktop.Spec, row desktop.Tool) bool { return slices.Contains(names, row.Name) })
	if err != nil {
		return tool{}, err
	}
	for i, v := range list {
		if slices.ContainsFunc(v.params, func(p param) bool {
			return p.name == "text" && p.schema["description"] == modifiers.schema["description"]
		}) {
			list[i] = withKey(v)
		}
	}
	choice := &verbs{tag: "action", description: "What to do.", list: list}
	return choice.tool("computer",
		"Operate the desktop with mouse and keyboard, and look at it. action says what to do, the other arguments belong to it. The answer says where the pointer is and shows the screen once it has settled, if it changed.",
		[]param{aimedAt, observation, desktopID}), nil
}

// toolsetVerbs returns the verbs of the toolset that keep wants, in the order of
// the table [desktop.Actions].
func toolsetVerbs(keep func(desktop.Spec, desktop.Tool) bool) ([]verb, error) {
	var list []verb
	for _, spec := range desktop.Actions {
		for _, row := range spec.Tools {
			if !keep(spec, row) {
				continue
			}
			v, _, err := rowVerb(spec, row)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
	}
	return list, nil
}

// withKey lets a verb take its modifiers from key as well as from text: the
// versions of the tool differ in that, and models mix them.
func withKey(v verb) verb {
	v.params = append(slices.Clip(v.params), keys("key", `The same as text.`))
	actions := v.actions
	v.actions = func(args values) ([]desktop.Action, error) {
		_, text := args["text"]
		key, ok := args["key"]
		switch {
		case ok && text:
			return nil, errors.New("modifier keys are both in text and in key: send them in one of them")
		case ok:
			args["text"] = key
		}
		return actions(args)
	}
	return v
}

// tool returns the tool that does what one of its arguments names.
func (c *verbs) tool(name, description string, common []param) tool {
	return tool{
		name:        name,
		description: description,
		params:      common,
		verbs:       c,
		example:     c.example(c.list[0]),
		output:      Outcome{},
		run: func(ctx context.Context, call *call, args values) *mcp.CallToolResult {
			i := slices.Index(c.names(), get[string](args, c.tag))
			call.what, call.example = c.list[i].name, name+" "+c.example(c.list[i])
			actions, err := c.list[i].actions(args)
			if err != nil {
				return call.refuse(err)
			}
			return call.act(ctx, requestOf(actions, args))
		},
	}
}
