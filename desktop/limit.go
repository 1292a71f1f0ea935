package desktop

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// AnswerSlack is how much longer than its own time an action may take until it
// is answered. It is generous, because a guest may be emulated and busy: it is
// there to tell a guest that never answers from one that is slow.
const AnswerSlack = 2 * time.Minute

// defaultSettle is more than agents wait for a quiet screen when an [Observe]
// names no limit.
const defaultSettle = 10 * time.Second

// errOverdue is why the connection to a guest ends that does not answer.
var errOverdue = errors.New("the guest agent has stopped answering")

// limit is how long a guest may take to answer an action once it has come to
// its turn.
func limit(a Action, o Observe) time.Duration {
	d := AnswerSlack + duration(a)
	if o.Mode == ObserveSettled {
		settle := time.Duration(o.LimitMS) * time.Millisecond
		if settle == 0 {
			settle = defaultSettle
		}
		d += settle
	}
	return d
}

// duration is the time that an action takes by itself: what it asks for, or
// several times what an agent needs for as much input.
func duration(a Action) time.Duration {
	switch a := a.(type) {
	case Wait:
		return time.Duration(a.DurationMS) * time.Millisecond
	case HoldKey:
		return time.Duration(a.DurationMS) * time.Millisecond
	case ExecOutput:
		return time.Duration(a.WaitMS) * time.Millisecond
	case Launch:
		if a.TimeoutMS == 0 {
			return DefaultLaunchTimeout
		}
		return time.Duration(a.TimeoutMS) * time.Millisecond
	case Exec:
		if a.TimeoutMS == 0 {
			return DefaultExecTimeout
		}
		return time.Duration(a.TimeoutMS) * time.Millisecond
	case Type:
		return time.Duration(len(a.Text)) * 20 * time.Millisecond
	case Key:
		return time.Duration(a.Repeat) * 500 * time.Millisecond
	case Drag:
		return time.Duration(len(a.Path)) * time.Second
	case Scroll:
		dx, dy := a.Notches()
		return time.Duration(max(dx, -dx)+max(dy, -dy)) * 50 * time.Millisecond
	case OpenURL:
		return OpenURLTimeout
	case Batch:
		var all time.Duration
		for _, s := range a.Actions {
			all += duration(s.Action) + defaultSettle // for programs to react before the next one
		}
		return all
	}
	return 0
}

// due sets until when a request must be answered. Input actions take turns in
// the guest, so that the time of one begins where that of those before it
// ends. The caller holds mu.
func (c *Client) due(cl *call) {
	begin := time.Now()
	if cl.spec.Input {
		for _, before := range c.calls {
			if before.spec.Input && before.deadline.After(begin) {
				begin = before.deadline
			}
		}
	}
	cl.deadline = begin.Add(cl.limit)
	cl.overdue = time.AfterFunc(time.Until(cl.deadline)+cancelGrace, func() { c.end(errOverdue) })
}

// withDeadline ends ctx when the action's time is up.
func (cl *call) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadlineCause(ctx, cl.deadline, fmt.Errorf("it was not answered within %v", cl.limit))
}
