package mcp

import (
	"context"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/picture"
	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/mcp/rpc"
	"github.com/vmette/vmette-mcp/sandbox"
)

// call is one call of a tool.
type call struct {
	what     string // is asked for, in sentences
	example  string // of a call that is right
	computer bool   // it is an action with mouse, keyboard or eyes; see isComputerAction
	conv     *Conversation
	settings settings
	progress *progress
}

// settings are those of the server that calls depend on.
type settings struct {
	budget  picture.Budget
	observe Observation
	halts   bool // a failed action ends what was asked for in the same turn
	saves   bool // a desktop is saved before several actions in one call
	grid    int  // how many steps the coordinates of each side of the screen have; 0 means pixels
}

// act does what is asked of a desktop, which is booted if need be.
func (c *call) act(ctx context.Context, r request) *mcp.CallToolResult {
	a, show, err := r.action()
	if err != nil {
		return c.rejected(ctx, r.id, c.refuse(err))
	}
	if !inTurn(a) {
		rpc.ArrivalOf(ctx).Pass(nil)
		return c.actNow(ctx, r, deed{asked: a, show: show})
	}
	return c.takeTurn(ctx, r.id, isComputerAction(a), func() *mcp.CallToolResult {
		return c.actNow(ctx, r, deed{asked: a, show: show})
	})
}

func (c *call) actNow(ctx context.Context, r request, do deed) *mcp.CallToolResult {
	d, err := c.conv.use(ctx, r.id, c.progress)
	if err != nil {
		return c.failed(err)
	}
	defer d.Release()
	return c.perform(ctx, d, r, do)
}

// perform performs an action on a leased desktop, and keeps book of what the
// model learns of it.
func (c *call) perform(ctx context.Context, d Desktop, r request, do deed) *mcp.CallToolResult {
	id := d.Info().ID
	v := newView(screenSize(d), c.settings)
	if err := c.conv.aimedBy(id, do.asked, v.screen); err != nil {
		return c.refuse(err)
	}
	var err error
	if do.onScreen, err = v.aim(do.asked); err != nil {
		return c.refuse(err)
	}
	c.progress.doing(c.what)
	if r.frame != 0 {
		if refused := c.check(ctx, d, v, do.onScreen, r.frame); refused != nil {
			return refused
		}
	}
	do.onScreen = bounded(do.onScreen)
	do.observe = c.observe(do.asked, r.observe)
	if do.show && do.observe == ObserveNone {
		do.observe = ObserveNow
	}
	if _, several := do.asked.(desktop.Batch); several && c.settings.saves {
		c.saveBefore(ctx, id)
	}
	return c.carryOut(ctx, d, do)
}

// carryOut does what has been found to be right.
func (c *call) carryOut(ctx context.Context, d Desktop, do deed) *mcp.CallToolResult {
	id := d.Info().ID
	res, err := c.do(ctx, d, do.onScreen, desktop.Observe{Mode: do.observe.mode()})
	answer, pictures := c.answer(ctx, d, do, res, err)
	switch {
	case ctx.Err() != nil: // there will be no answer
		c.conv.keepNotices(id, res.Notices)
	case pictures != nil && pictures.screen != desktop.Size{}:
		c.conv.showed(id, pictures.frame, pictures.screen)
	}
	return answer
}

// do performs an action, and takes the notices along that did not reach the
// model before. The result is never nil.
func (c *call) do(ctx context.Context, d Desktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
	id := d.Info().ID
	res, err := d.Do(ctx, a, o)
	if res == nil {
		res = new(desktop.Result)
	}
	res.Notices = append(c.conv.takeNotices(id), res.Notices...)
	return res, err
}

// answer answers a call whose action ended with res and err. It also returns
// what the answer shows of the screen, nil for nothing.
func (c *call) answer(ctx context.Context, d Desktop, did deed, res *desktop.Result, err error) (*mcp.CallToolResult, *shown) {
	if b, ok := did.asked.(desktop.Batch); ok && err != nil && len(res.Steps) > 0 {
		return c.halted(d, b, res, err)
	}
	if err != nil {
		return c.undone(d, res, err), nil
	}
	id := d.Info().ID
	spec, _ := desktop.ActionByName(did.asked.Name())
	switch answers := spec.Answers; {
	case answers.Has(desktop.AnswersFile | desktop.AnswersData):
		return c.fileRead(ctx, d, did.asked, res), nil
	case answers.Has(desktop.AnswersFile):
		return fileWritten(id, res), nil
	case answers.Has(desktop.AnswersListing):
		return filesListed(id, did.asked, res), nil
	case answers.Has(desktop.AnswersData):
		return textResult(id, res), nil
	case spec.Batchable(), answers.Has(desktop.AnswersSteps):
	case answers.Has(desktop.AnswersWindows):
		return windowsListed(id, newView(screenSize(d), c.settings), res), nil
	case answers.Has(desktop.AnswersOutput):
		return execResult(id, did.asked, res), nil
	}
	return c.done(d, did, res)
}

// How long the screen must be quiet before it is compared with an earlier frame,
// and how long that is waited for, in milliseconds.
const (
	checkQuiet = 50
	checkLimit = 1000
)

// check looks whether the screen is still as in the frame that an action was
// aimed by, and answers when it is not.
func (c *call) check(ctx context.Context, d Desktop, v view, onScreen desktop.Action, frame uint64) *mcp.CallToolResult {
	id := d.Info().ID
	// A moment for what is still being drawn of the action before.
	res, err := c.do(ctx, d, desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled, QuietMS: checkQuiet, LimitMS: checkLimit})
	c.conv.observed(id, res.Frame)
	c.conv.keepNotices(id, res.Notices)
	var failure *desktop.Error
	switch {
	case errors.As(err, &failure):
		return refusal(fmt.Sprintf("%s was not done: the screen could not be compared with frame %d: %s. Take a screenshot before going on.",
			c.what, frame, desktop.PlainLine(failure.Message, maxErrorText)))
	case err != nil:
		return c.undone(d, new(desktop.Result), err)
	}
	for _, p := range targets(onScreen) {
		if err := c.conv.sameAt(id, p, frame); err != nil {
			return c.refuse(v.stale(p, frame, err))
		}
	}
	return nil
}

func screenSize(d Desktop) desktop.Size {
	if s := d.Screen().Size(); s.Valid() {
		return s
	}
	return d.Info().Size
}

// refuse answers a call whose arguments are wrong.
func (c *call) refuse(err error) *mcp.CallToolResult {
	return refusal(fmt.Sprintf("%s was not done: %s. Example: %s", c.what, desktop.PlainLine(err.Error(), maxErrorText), c.example))
}

// undone answers a call whose action failed on the desktop.
func (c *call) undone(d Desktop, res *desktop.Result, err error) *mcp.CallToolResult {
	c.conv.observed(d.Info().ID, res.Frame)
	var failure *desktop.Error
	if !errors.As(err, &failure) {
		if errors.Is(err, sandbox.ErrNoDesktop) {
			err = &goneError{c.conv.forget(d.Info().ID), err}
		}
		return refusal(withNotices(res.Notices, c.explain(err)))
	}
	why := desktop.PlainLine(failure.Message, maxErrorText)
	var text string
	switch failure.Code {
	case desktop.CodeInvalid:
		text = fmt.Sprintf("%s was not done: %s. Example: %s", c.what, why, c.example)
	case desktop.CodeCancelled:
		text = fmt.Sprintf("%s was stopped; part of it may have been done: %s. Take a screenshot before going on.", c.what, why)
	case desktop.CodeNotDelivered:
		text = fmt.Sprintf("%s was only done in part: %s. Take a screenshot before going on.", c.what, why)
	case desktop.CodeUnavailable:
		text = fmt.Sprintf("%s was not done, because the desktop is not available just now: %s. Try again in a few seconds.", c.what, why)
	case desktop.CodeUnknown:
		text = fmt.Sprintf("Whether %s was done is not known: %s. Take a screenshot before going on.", c.what, why)
	default:
		text = fmt.Sprintf("%s failed: %s. Take a screenshot before going on.", c.what, why)
	}
	return refusal(withNotices(res.Notices, text))
}

// failed answers a call that did not get as far as an action.
func (c *call) failed(err error) *mcp.CallToolResult {
	c.conv.tenant.s.metrics.refuse(err)
	return refusal(c.explain(err))
}

// explain says what went wrong and what to do next.
func (c *call) explain(err error) string {
	var (
		gone     *goneError
		starting *startingError
		notReady *NotReadyError
		limit    *quota.Error
		why      = plainText(err.Error(), maxErrorText)
	)
	switch {
	case errors.As(err, &notReady):
		return fmt.Sprintf("%s was not done: the desktop's image is still being made, which happens once: %s. Call again in half a minute; nothing else is needed.",
			c.what, notReady.progress())
	case errors.As(err, &starting):
		return fmt.Sprintf("%s was not done: the desktop is still starting, which goes on (%s). Call again; nothing else is needed.", c.what, starting.now)
	case errors.As(err, &gone) && gone.own:
		return fmt.Sprintf("%s was not done: this conversation's desktop is gone, with everything on it (%s). Call again to start with a new one.", c.what, why)
	case errors.As(err, &gone) && c.conv.reach == stateless:
		return fmt.Sprintf("%s was not done: %s. Call desktop_create for a new one, and send the desktop_id that it answers with in every call; desktop_list shows the desktops there are.", c.what, why)
	case errors.As(err, &gone):
		return fmt.Sprintf("%s was not done: %s. desktop_list shows the desktops there are, and desktop_create starts a new one; without desktop_id this conversation's own is used.", c.what, why)
	case errors.Is(err, sandbox.ErrNoDesktop):
		return fmt.Sprintf("%s was not done: %s. desktop_list shows the desktops there are.", c.what, why)
	case errors.Is(err, errNoOwn):
		return fmt.Sprintf("%s was not done: %s. desktop_list shows the desktops there are.", c.what, why)
	case errors.As(err, &limit):
		return fmt.Sprintf("%s was not done: %v.", c.what, limit)
	case errors.Is(err, sandbox.ErrInvalidConfig), errors.Is(err, errOtherNetwork):
		return fmt.Sprintf("%s was not done: %s.", c.what, why)
	case errors.Is(err, errNoSession):
		return fmt.Sprintf("%s was not done: %s. Call desktop_create, and send the desktop_id that it answers with in every call.", c.what, why)
	case errors.Is(err, sandbox.ErrCapacity):
		return fmt.Sprintf("No desktop could be started: %s. End one with desktop_close (desktop_list shows them), or try again later.", why)
	case errors.Is(err, errClosed), errors.Is(err, errBootClosed), errors.Is(err, rpc.ErrCancelled):
		return fmt.Sprintf("%s was given up: %s.", c.what, why)
	case errors.Is(err, sandbox.ErrStartFailed), errors.Is(err, sandbox.ErrTimeout):
		return fmt.Sprintf("The desktop did not start: %s\nTry once more; if that fails as well, the person who runs this server finds the cause with: vmette-mcp doctor", why)
	}
	return fmt.Sprintf("%s failed: %s", c.what, why)
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
