package mcp

import (
	"context"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/picture"
	"github.com/vmette/vmette-mcp/sandbox"
)

// call is one call of a tool.
type call struct {
	tool     tool
	conv     *Conversation
	budget   picture.Budget
	progress *progress
}

// act performs an action on the desktop with this id, or for "" on the
// conversation's own. Points of a are in pixels of the picture that the model
// was shown.
func (c *call) act(ctx context.Context, a desktop.Action, id string) *mcp.CallToolResult {
	if err := a.Validate(); err != nil {
		return c.refuse(err)
	}
	if inTurn(a) {
		var t *turn
		arrivalOf(ctx).pass(func() { t = c.conv.turn(id) })
		defer t.leave()
		if err := t.wait(ctx); err != nil {
			return c.failed(err)
		}
	} else {
		arrivalOf(ctx).pass(nil)
	}
	d, err := c.conv.use(ctx, id, c.progress)
	if err != nil {
		return c.failed(err)
	}
	defer d.Release()
	return c.perform(ctx, d, a)
}

// perform performs an action on a leased desktop, and keeps book of what the
// model learns of it.
func (c *call) perform(ctx context.Context, d Desktop, a desktop.Action) *mcp.CallToolResult {
	id := d.Info().ID
	v := newView(screenSize(d), c.budget)
	if err := c.conv.aimedBy(id, a, v.screen); err != nil {
		return c.refuse(err)
	}
	onScreen, err := v.aim(a)
	if err != nil {
		return c.refuse(err)
	}
	c.progress.doing(c.tool.name)
	res, err := d.Do(ctx, onScreen, observe(a))
	if res == nil {
		res = new(desktop.Result)
		c.conv.unknown(id)
	}
	res.Notices = append(c.conv.takeNotices(id), res.Notices...)
	answer, shown := c.answer(d, a, onScreen, res, err)
	switch {
	case ctx.Err() != nil: // there will be no answer
		c.conv.unknown(id)
		c.conv.keepNotices(id, res.Notices)
	case shown != nil:
		c.conv.showed(id, shown.frame, shown.screen)
	}
	return answer
}

// shown is a picture of the whole screen that an answer carries.
type shown struct {
	frame  uint64
	screen desktop.Size
}

// answer answers a call whose action ended with res and err.
func (c *call) answer(d Desktop, a, onScreen desktop.Action, res *desktop.Result, err error) (*mcp.CallToolResult, *shown) {
	if err != nil {
		return c.undone(d, res, err), nil
	}
	if e, ok := a.(desktop.Exec); ok {
		return execResult(d.Info().ID, e, res), nil
	}
	return c.done(d, a, onScreen, res)
}

// inTurn reports whether an action waits for those before it on its desktop.
// A command runs beside them, and the pointer may be asked for at any time.
func inTurn(a desktop.Action) bool {
	switch a.(type) {
	case desktop.Exec, desktop.CursorPosition:
		return false
	}
	return true
}

// observe says how to look at the screen after an action.
func observe(a desktop.Action) desktop.Observe {
	switch a.(type) {
	case desktop.Exec, desktop.CursorPosition:
		return desktop.Observe{Mode: desktop.ObserveNone}
	case desktop.Screenshot:
		return desktop.Observe{Mode: desktop.ObserveNow}
	}
	return desktop.Observe{Mode: desktop.ObserveSettled}
}

func screenSize(d Desktop) desktop.Size {
	if s := d.Screen().Size(); s.Valid() {
		return s
	}
	return d.Info().Size
}

// refuse answers a call whose arguments are wrong.
func (c *call) refuse(err error) *mcp.CallToolResult {
	return refusal(fmt.Sprintf("%s was not done: %s. Example: %s %s", c.tool.name, desktop.PlainLine(err.Error(), maxErrorText), c.tool.name, c.tool.example))
}

// undone answers a call whose action failed on the desktop.
func (c *call) undone(d Desktop, res *desktop.Result, err error) *mcp.CallToolResult {
	c.conv.observed(d.Info().ID, res.Frame)
	var failure *desktop.Error
	if !errors.As(err, &failure) {
		if errors.Is(err, sandbox.ErrStopped) {
			err = &goneError{c.conv.forget(d.Info().ID), err}
		}
		return refusal(withNotices(res.Notices, c.explain(err)))
	}
	why := desktop.PlainLine(failure.Message, maxErrorText)
	var text string
	switch failure.Code {
	case desktop.CodeInvalid:
		text = fmt.Sprintf("%s was not done: %s. Example: %s %s", c.tool.name, why, c.tool.name, c.tool.example)
	case desktop.CodeCancelled:
		text = fmt.Sprintf("%s was stopped; part of it may have been done: %s. Take a screenshot before going on.", c.tool.name, why)
	case desktop.CodeNotDelivered:
		text = fmt.Sprintf("%s was only done in part: %s. Take a screenshot before going on.", c.tool.name, why)
	case desktop.CodeUnavailable:
		text = fmt.Sprintf("%s was not done, because the desktop is not available just now: %s. Try again in a few seconds.", c.tool.name, why)
	case desktop.CodeUnknown:
		text = fmt.Sprintf("Whether %s was done is not known: %s. Take a screenshot before going on.", c.tool.name, why)
	default:
		text = fmt.Sprintf("%s failed: %s. Take a screenshot before going on.", c.tool.name, why)
	}
	return refusal(withNotices(res.Notices, text))
}

// failed answers a call that did not get as far as an action.
func (c *call) failed(err error) *mcp.CallToolResult { return refusal(c.explain(err)) }

// explain says what went wrong and what to do next.
func (c *call) explain(err error) string {
	var (
		gone     *goneError
		notReady *NotReadyError
		why      = plainText(err.Error(), maxErrorText)
	)
	switch {
	case errors.As(err, &notReady):
		return fmt.Sprintf("%s was not done: the desktop's image is still being made, which happens once: %s. Call again in half a minute; nothing else is needed.",
			c.tool.name, notReady.progress())
	case errors.As(err, &gone) && gone.own:
		return fmt.Sprintf("%s was not done: this conversation's desktop is gone, with everything on it (%s). Call again to start with a new one.", c.tool.name, why)
	case errors.As(err, &gone):
		return fmt.Sprintf("%s was not done: %s. desktop_list shows the desktops there are; without desktop_id this conversation's own is used.", c.tool.name, why)
	case errors.Is(err, sandbox.ErrNoDesktop):
		return fmt.Sprintf("%s was not done: %s. desktop_list shows the desktops there are.", c.tool.name, why)
	case errors.Is(err, errNoOwn):
		return fmt.Sprintf("%s was not done: %s. desktop_list shows the desktops there are.", c.tool.name, why)
	case errors.Is(err, sandbox.ErrCapacity):
		return fmt.Sprintf("No desktop could be started: %s. End one with desktop_close (desktop_list shows them), or try again later.", why)
	case errors.Is(err, errClosed), errors.Is(err, errBootClosed), errors.Is(err, errCancelled):
		return fmt.Sprintf("%s was given up: %s.", c.tool.name, why)
	case errors.Is(err, sandbox.ErrStartFailed), errors.Is(err, sandbox.ErrTimeout):
		return fmt.Sprintf("The desktop did not start: %s\nTry once more; if that fails as well, the person who runs this server finds the cause with: vmette-mcp doctor", why)
	}
	return fmt.Sprintf("%s failed: %s", c.tool.name, why)
}

// progress says how far the image is.
func (e *NotReadyError) progress() string {
	s := desktop.PlainLine(e.Phase, 200)
	if s == "" {
		s = "in preparation"
	}
	if e.Total > 0 {
		s += fmt.Sprintf(", %d %% of this step", min(100, max(0, 100*e.Done/e.Total)))
	}
	if e.Detail != "" {
		s += ", " + desktop.PlainLine(e.Detail, 200)
	}
	return s
}
