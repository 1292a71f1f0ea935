package mcp

import (
	"context"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
)

// performTool is the tool that does several of the toolset's actions in one
// call.
func performTool() (tool, error) {
	list, err := toolsetVerbs(func(spec desktop.Spec, row desktop.Tool) bool {
		return spec.Batchable() || row.Name == "screenshot"
	})
	if err != nil {
		return tool{}, err
	}
	choice := verbs{tag: "action", description: "What to do: the name of a tool.", list: list}
	return tool{
		name: "perform",
		description: "Do several actions one after the other in one call, which is much faster than a call for each. All are checked before the first is done, and the first failure ends it. " +
			"The answer tells how each went and shows the screen once, when it has settled after the last. Use it when the next action does not depend on what the one before shows.",
		params: []param{
			choice.steps("actions", "The actions in order, each with the arguments of the tool of its name. A screenshot among them is the picture at the end.").needed(),
			aimedAt, observation, desktopID,
		},
		example:  `{"actions": [{"action": "left_click", "coordinate": [640, 400]}, {"action": "type", "text": "hello"}, {"action": "key", "text": "Return"}]}`,
		output:   Outcome{},
		computer: true,
		run: func(ctx context.Context, c *call, v values) *mcp.CallToolResult {
			return c.act(ctx, requestOf(get[[]desktop.Action](v, "actions"), v))
		},
	}, nil
}

// StepOutcome is how one of several actions went.
type StepOutcome struct {
	Action string `json:"action" jsonschema:"what was asked for"`
	OK     bool   `json:"ok" jsonschema:"whether it was done"`
	X      *int   `json:"x,omitempty" jsonschema:"where the pointer was afterwards, in the coordinates of the tools"`
	Y      *int   `json:"y,omitempty" jsonschema:"where the pointer was afterwards, in the coordinates of the tools"`
	Said   string `json:"said" jsonschema:"what was done, or why not"`
}

// stepOutcomes tells how each action of a batch went.
func (v view) stepOutcomes(b desktop.Batch, results []desktop.StepResult) []StepOutcome {
	var list []StepOutcome
	for i, s := range b.Actions {
		o := StepOutcome{Action: s.Name(), Said: notExecuted}
		if i < len(results) {
			r := results[i]
			o.OK = r.OK
			o.X, o.Y = v.pointer(r.X, r.Y)
			if r.OK {
				o.Said = did(s.Name(), s.Action, Outcome{X: o.X, Y: o.Y})
			} else {
				o.Said = failed(r.Error)
			}
		}
		list = append(list, o)
	}
	return list
}

// failed says how an action among several failed.
func failed(e *desktop.Error) string {
	why := desktop.PlainLine(e.Message, maxErrorText)
	switch e.Code {
	case desktop.CodeCancelled:
		return "Stopped: " + why + "."
	case desktop.CodeNotDelivered:
		return "Only done in part: " + why + "."
	case desktop.CodeUnknown:
		return "Whether it was done is not known: " + why + "."
	}
	return "Failed: " + why + "."
}

// numbered writes one line for each step.
func numbered(steps []StepOutcome) string {
	var lines []string
	for i, s := range steps {
		lines = append(lines, fmt.Sprintf("%d. %s", i+1, s.Said))
	}
	return strings.Join(lines, "\n")
}

// halted answers a batch that failed after it had begun, with the picture of how
// far it came, which it returns too.
func (c *call) halted(d Desktop, b desktop.Batch, res *desktop.Result, err error) (*mcp.CallToolResult, *shown) {
	v := newView(screenSize(d), c.settings)
	steps := v.stepOutcomes(b, res.Steps)
	done := 0
	for _, r := range res.Steps {
		if r.OK {
			done++
		}
	}
	var text string
	if done == len(steps) {
		text = fmt.Sprintf("All of %s was done, but what became of it is not known: %s.", c.what, desktop.PlainLine(err.Error(), maxErrorText))
	} else {
		text = fmt.Sprintf("%s ended at action %d of %d; %s before it.", c.what, done+1, len(steps), plural(done, "action was done", "actions were done"))
	}
	text += "\n" + numbered(steps)
	changed, known := c.conv.observed(d.Info().ID, res.Frame)
	switch {
	case res.Frame == nil:
		return refusal(withNotices(res.Notices, text+"\nTake a screenshot before going on.")), nil
	case known && len(changed) == 0:
		return refusal(withNotices(res.Notices, text+"\nThe screen is unchanged.")), nil
	}
	pic, err := v.whole(d.Screen())
	if err != nil {
		return refusal(withNotices(res.Notices, text+"\nTake a screenshot before going on.")), nil
	}
	r := refusal(withNotices(res.Notices, text+"\nThis is how the screen is now."+caption(v, pic)))
	r.Content = append(r.Content, pic.contents...)
	return r, pic
}
