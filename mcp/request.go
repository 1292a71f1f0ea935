package mcp

import (
	"errors"
	"fmt"

	"github.com/vmette/vmette-mcp/desktop"
)

// request is what a call asks of a desktop.
type request struct {
	actions []desktop.Action // in order, with points in the coordinates of the profile
	id      string           // of the desktop; "" is the conversation's own
	observe Observation      // "" is the server's default
	frame   uint64           // of the picture that the points were taken from; 0 when it is not said
}

// requestOf returns the request of actions with the arguments that tools take
// beside those of their verbs.
func requestOf(actions []desktop.Action, v values) request {
	return request{
		actions: actions,
		id:      get[string](v, "desktop_id"),
		observe: Observation(get[string](v, "observe")),
		frame:   uint64(get[int](v, "frame")),
	}
}

// action returns the one Action that does all of the request, and whether the
// screen is to be shown in any case: a screenshot among other actions is the
// picture at the end.
func (r request) action() (a desktop.Action, show bool, err error) {
	var b desktop.Batch
	for _, a := range r.actions {
		shot, isShot := a.(desktop.Screenshot)
		switch {
		case !isShot:
			b.Actions = append(b.Actions, desktop.Step{Action: a})
		case shot.Region != nil && len(r.actions) > 1:
			return nil, false, errors.New("a part of the screen cannot be looked at among other actions: call zoom by itself")
		default:
			show = true
		}
	}
	switch {
	case len(r.actions) == 1:
		a = r.actions[0]
	case len(b.Actions) == 0:
		a = desktop.Screenshot{}
	case len(b.Actions) == 1:
		a = b.Actions[0].Action
	default:
		a = b
	}
	return a, show, a.Validate()
}

// observe says how to look at the screen after an action.
func (c *call) observe(a desktop.Action, asked Observation) Observation {
	if _, ok := a.(desktop.Screenshot); ok {
		return ObserveNow
	}
	if spec, _ := desktop.ActionByName(a.Name()); !spec.Batchable() && !spec.Answers.Has(desktop.AnswersSteps) {
		return ObserveNone
	}
	for _, o := range []Observation{asked, c.settings.observe} {
		if o != "" {
			return o
		}
	}
	return ObserveSettled
}

// aimRadius is how many pixels around a point must be as they were when it was
// aimed at.
const aimRadius = 4

// stale says that something is no longer where it was aimed at.
func (v view) stale(p desktop.Point, frame uint64, err error) error {
	at, _ := v.FromScreen(p)
	return fmt.Errorf("the screen at %v %w frame %d: take a screenshot and aim by that", at, err, frame)
}
