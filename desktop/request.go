package desktop

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// MaxSettle is the longest quiet time and limit that an [Observe] may ask for.
const MaxSettle = 300 * time.Second

// requestJSON is a Request on the wire.
type requestJSON struct {
	Action  string          `json:"action,omitempty"`
	Args    json.RawMessage `json:"args,omitempty"`
	Observe *Observe        `json:"observe,omitempty"`
	Cancel  *uint32         `json:"cancel,omitempty"`

	PayloadLen int `json:"payload_len,omitempty"` // of an action that is a carrier
}

// carrier is an Action with bytes that are too many for a header. They are the
// payload of its request.
type carrier interface {
	Action
	payload() []byte
	withPayload([]byte) Action
}

// payload returns the bytes that follow the header.
func (r Request) payload() []byte {
	if c, ok := r.Action.(carrier); ok {
		return c.payload()
	}
	return nil
}

// MarshalJSON encodes {"action": NAME, "args": {...}, "observe": {...}} or
// {"cancel": ID}.
func (r Request) MarshalJSON() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if r.Action == nil {
		return encode(requestJSON{Cancel: &r.Cancel})
	}
	args, err := encode(r.Action)
	if err != nil {
		return nil, err
	}
	w := requestJSON{Action: r.Action.Name(), Args: args}
	if r.Observe != (Observe{}) {
		w.Observe = &r.Observe
	}
	w.PayloadLen = len(r.payload())
	return encode(w)
}

// UnmarshalJSON decodes what MarshalJSON encodes, strictly. Action becomes a
// value, not a pointer: a [Click], never a *Click.
func (r *Request) UnmarshalJSON(b []byte) error {
	var w requestJSON
	if err := decode(b, &w); err != nil {
		return err
	}
	*r = Request{}
	if w.Cancel != nil {
		if w.Action != "" || w.Args != nil || w.Observe != nil || w.PayloadLen != 0 {
			return errors.New("request both acts and cancels: send one of action and cancel")
		}
		r.Cancel = *w.Cancel
		return r.Validate()
	}
	if w.Observe != nil {
		r.Observe = *w.Observe
	}
	if w.Args == nil {
		w.Args = json.RawMessage("{}")
	}
	var err error
	if r.Action, err = decodeAction(w.Action, w.Args); err != nil {
		return err
	}
	if _, ok := r.Action.(carrier); !ok && w.PayloadLen != 0 {
		return fmt.Errorf("%s has a payload of %d bytes, but takes none", w.Action, w.PayloadLen)
	}
	return r.Validate()
}

func decodeAction(name string, args []byte) (Action, error) {
	spec, ok := ActionByName(name)
	if !ok {
		return nil, fmt.Errorf("action %q does not exist", name)
	}
	p := spec.New()
	if err := decode(args, p); err != nil {
		return nil, fmt.Errorf("decode %s: %w", name, err)
	}
	return reflect.ValueOf(p).Elem().Interface().(Action), nil
}

// Validate reports a request that is not exactly one of an action and a
// cancel, and what its parts report.
func (r Request) Validate() error {
	switch {
	case r.Action == nil && r.Cancel == 0:
		return errors.New("request is empty: send an action or a cancel")
	case r.Action == nil && r.Observe != (Observe{}):
		return errors.New("cancel observes nothing")
	case r.Action == nil:
		return nil
	case r.Cancel != 0:
		return errors.New("request both acts and cancels: send one of action and cancel")
	}
	if err := r.Action.Validate(); err != nil {
		return err
	}
	// The payload of the answer may be full without a frame.
	if spec, _ := ActionByName(r.Action.Name()); spec.Answers.Has(AnswersData) && r.Observe.Mode != "" && r.Observe.Mode != ObserveNone {
		return fmt.Errorf("%s cannot be observed: take a screenshot afterwards", spec.Name)
	}
	return r.Observe.Validate()
}

// Validate reports an unknown mode, or a time that is negative or longer than
// [MaxSettle].
func (o Observe) Validate() error {
	switch o.Mode {
	case "", ObserveNone, ObserveNow, ObserveSettled:
	default:
		return fmt.Errorf("observe mode %q is not none, now or settled", o.Mode)
	}
	if err := validateDuration(o.QuietMS, MaxSettle); err != nil {
		return fmt.Errorf("observe quiet_ms: %w", err)
	}
	if err := validateDuration(o.LimitMS, MaxSettle); err != nil {
		return fmt.Errorf("observe limit_ms: %w", err)
	}
	return nil
}
