package mcp

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// notExecuted is the answer to an action that comes after one that failed. The
// models are trained on these words.
const notExecuted = "Not executed: an earlier computer action in this turn failed."

// inTurn reports whether an action waits for those before it on its desktop.
// Commands and jobs run beside them, and the pointer may be asked for at any time.
func inTurn(a desktop.Action) bool {
	spec, _ := desktop.ActionByName(a.Name())
	return spec.Input || !spec.Answers.Has(desktop.AnswersOutput) && !spec.Answers.Has(desktop.AnswersPointer)
}

// isComputerAction reports whether an action is one of those that a model does
// with mouse, keyboard and eyes, each of which relies on those before it.
func isComputerAction(a desktop.Action) bool {
	spec, _ := desktop.ActionByName(a.Name())
	return spec.Input || spec.Looks && spec.Answers == 0
}

// takeTurn calls do once all calls that came before on the same desktop have been
// answered.
//
// A model may ask for several actions in one turn of its own, each in a call. It
// did not know then that the first would fail, so what it asked for after that is
// not done: of the calls that had come when the failure was to be answered, those
// that wait behind it.
func (c *call) takeTurn(ctx context.Context, id string, computer bool, do func() *mcp.CallToolResult) *mcp.CallToolResult {
	var t *turn
	rpc.ArrivalOf(ctx).Pass(func() { t = c.conv.turn(id) })
	defer t.leave()
	if err := t.wait(ctx); err != nil {
		return c.failed(err)
	}
	halts := computer && c.settings.halts
	if halts && t.isSpoiled() {
		return refusal(notExecuted)
	}
	res := do()
	if halts && res.IsError && ctx.Err() == nil {
		rpc.ArrivalOf(ctx).CaughtUp(ctx)
		t.spoil()
	}
	return res
}

// rejected answers a call whose arguments are wrong: at once, unless those behind
// it depend on it.
func (c *call) rejected(ctx context.Context, id string, answer *mcp.CallToolResult) *mcp.CallToolResult {
	if !c.computer || !c.settings.halts {
		return answer
	}
	res := c.takeTurn(ctx, id, true, func() *mcp.CallToolResult { return answer })
	if ctx.Err() != nil {
		return answer
	}
	return res
}
