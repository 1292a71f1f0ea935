package serve

import (
	"context"

	"github.com/vmette/vmette-mcp/desktop"
)

// batch performs actions one after the other in one turn. What is wrong with
// any of them is found before the first one runs. Its outcome tells how each
// went, also when it fails.
func batch(ctx context.Context, s *Server, a desktop.Action) (outcome, error) {
	steps := a.(desktop.Batch).Actions
	d, err := s.Desk.use(ctx)
	if err != nil {
		return outcome{}, err
	}
	for i, step := range steps {
		if err := d.Check(step.Action); err != nil {
			e := failure(ctx, err)
			return outcome{}, desktop.Errorf(e.Code, "action %d of the batch, %s: %s", i+1, step.Name(), e.Message)
		}
	}
	var o outcome
	for i, step := range steps {
		var before desktop.Action
		if i > 0 {
			before = steps[i-1].Action
		}
		done, err := s.step(ctx, step.Action, before)
		o.Notices = append(o.Notices, done.Notices...)
		if err != nil {
			e := failure(ctx, err)
			o.Steps = append(o.Steps, desktop.StepResult{Error: e})
			return o, e
		}
		o.Steps = append(o.Steps, desktop.StepResult{OK: true, X: done.X, Y: done.Y})
	}
	p, err := d.Pointer(ctx)
	if err != nil {
		return o, afterwards(err)
	}
	o.X, o.Y = &p.X, &p.Y
	return o, nil
}

// step performs one action of a batch, once programs have reacted to the one
// before it.
func (s *Server) step(ctx context.Context, a, before desktop.Action) (outcome, error) {
	if err := s.reacted(ctx, before); err != nil {
		return outcome{}, err
	}
	if ctx.Err() != nil {
		return outcome{}, desktop.Errorf(desktop.CodeCancelled, "cancelled before its turn: it was not done")
	}
	spec, _ := desktop.ActionByName(a.Name())
	if !spec.Cancellable {
		ctx = context.WithoutCancel(ctx)
	}
	return s.do(ctx, spec, a)
}

// reacted waits a moment for programs to react to an action of a batch.
func (s *Server) reacted(ctx context.Context, before desktop.Action) error {
	switch before.(type) {
	case nil, desktop.Wait, desktop.ButtonDown, desktop.KeyDown:
		return nil // there is nothing to react to, or the next action is a part of it
	}
	d, err := s.Desk.use(ctx)
	if err != nil {
		return err
	}
	return d.Calm(ctx)
}
