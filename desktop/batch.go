package desktop

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// MaxBatch is how many actions one [Batch] holds.
const MaxBatch = 100

// Batch performs actions in order, as one: no other input action comes in
// between. All of them are checked before the first one runs. The first failure
// ends it, and the [Response] tells in Steps how far it came. Between two
// actions the agent waits until programs have reacted, so that a click may move
// the keyboard focus for what is typed next.
type Batch struct {
	Actions []Step `json:"actions" doc:"The actions in order, at most 100."`
}

// Step is one action of a [Batch]: an input action or a [Wait]. On the wire it is
// its name under "action" and its fields under "args", as in a [Request].
type Step struct{ Action }

// StepResult is how one action of a [Batch] went.
type StepResult struct {
	OK    bool   `json:"ok"`
	Error *Error `json:"error,omitempty"` // set exactly when OK is false
	X     *int   `json:"x,omitempty"`     // the pointer after the action, if the action answers it
	Y     *int   `json:"y,omitempty"`
}

// Name returns "batch".
func (Batch) Name() string { return "batch" }

// Validate reports a batch that is empty or too long, holds an action that
// cannot be part of one or is not valid, or would hold keys and wait for longer
// than [MaxDuration] in all.
func (a Batch) Validate() error {
	if len(a.Actions) == 0 || len(a.Actions) > MaxBatch {
		return fmt.Errorf("batch has %d actions: send 1 to %d", len(a.Actions), MaxBatch)
	}
	total := 0
	for i, s := range a.Actions {
		if err := s.validate(); err != nil {
			return fmt.Errorf("action %d of the batch: %w", i+1, err)
		}
		switch a := s.Action.(type) {
		case Wait:
			total += a.DurationMS
		case HoldKey:
			total += a.DurationMS
		}
	}
	if limit := MaxDuration.Milliseconds(); int64(total) > limit {
		return fmt.Errorf("batch waits and holds keys for %v in all: send at most %v", time.Duration(total)*time.Millisecond, MaxDuration)
	}
	return nil
}

// Batchable reports whether an action of this row can be a [Step]: one that is
// done for its effect, not for what it answers.
func (s Spec) Batchable() bool {
	if s.Answers.Has(AnswersSteps) || s.Answers.Has(AnswersData) {
		return false
	}
	return s.Input || s.Name == Wait{}.Name()
}

func (s Step) validate() error {
	if s.Action == nil {
		return errors.New("it is missing")
	}
	if spec, ok := ActionByName(s.Name()); !ok || !spec.Batchable() {
		return fmt.Errorf("%s cannot be part of a batch: send it by itself", s.Name())
	}
	return s.Action.Validate()
}

// stepJSON is a Step on the wire.
type stepJSON struct {
	Action string          `json:"action"`
	Args   json.RawMessage `json:"args,omitempty"`
}

// MarshalJSON encodes {"action": NAME, "args": {...}}.
func (s Step) MarshalJSON() ([]byte, error) {
	args, err := encode(s.Action)
	if err != nil {
		return nil, err
	}
	return encode(stepJSON{s.Name(), args})
}

// UnmarshalJSON decodes what MarshalJSON encodes, strictly.
func (s *Step) UnmarshalJSON(b []byte) error {
	var w stepJSON
	if err := decode(b, &w); err != nil {
		return err
	}
	// Checked before the arguments are looked at, or batches could be nested.
	if spec, ok := ActionByName(w.Action); ok && !spec.Batchable() {
		return fmt.Errorf("%s cannot be part of a batch", w.Action)
	}
	if w.Args == nil {
		w.Args = json.RawMessage("{}")
	}
	var err error
	s.Action, err = decodeAction(w.Action, w.Args)
	return err
}

func (s StepResult) validate() error {
	if s.OK != (s.Error == nil) {
		return errors.New("it must have an error exactly when it is not ok")
	}
	if s.Error != nil {
		if err := s.Error.validate(); err != nil {
			return err
		}
	}
	return validatePointer(s.X, s.Y)
}

// answersBatch reports results that do not tell how each action went that was
// begun, of actions in all.
func (r *Response) answersBatch(actions int) error {
	failed := len(r.Steps) > 0 && !r.Steps[len(r.Steps)-1].OK
	switch {
	case len(r.Steps) > actions:
		return fmt.Errorf("response to a batch of %d actions has %d steps", actions, len(r.Steps))
	case r.OK && (failed || len(r.Steps) < actions):
		return errors.New("response to a batch is ok, but not all of its steps are")
	}
	for _, s := range r.Steps[:max(0, len(r.Steps)-1)] {
		if !s.OK {
			return errors.New("response to a batch has steps after one that failed")
		}
	}
	return nil
}
