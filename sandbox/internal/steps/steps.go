// Package steps runs a named list of steps, each with its undo: what a boot is
// made of. A list either succeeds whole or leaves nothing behind.
//
//	undo, err := steps.Run(ctx, onStep,
//		steps.Step{Name: "make directory", Do: mkdir, Undo: rmdir},
//		steps.Step{Name: "start process", Do: start, Undo: kill},
//	)
//	if err != nil {
//		return err // "start process: ...", and the directory is gone
//	}
//	defer undo() // kill, then rmdir
package steps

import (
	"context"
	"fmt"
)

// Step is one step. Do must leave nothing behind when it fails; Undo, which
// may be nil, takes back what Do did.
type Step struct {
	Name string
	Do   func(ctx context.Context) error
	Undo func()
}

// Error is the failure of one step.
type Error struct {
	Step string
	Err  error
}

// Error returns "step: cause".
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Run performs list in order and returns a function that undoes all of it in
// reverse order, to be called once. When a step fails, or ctx is done before
// one begins, what was done is undone and the error is an *Error. onStep, when
// not nil, is called with the name of each step as it begins.
func Run(ctx context.Context, onStep func(name string), list ...Step) (undo func(), err error) {
	done := 0
	undo = func() {
		for ; done > 0; done-- {
			if u := list[done-1].Undo; u != nil {
				u()
			}
		}
	}
	for _, s := range list {
		if err = context.Cause(ctx); err == nil {
			if onStep != nil {
				onStep(s.Name)
			}
			err = s.Do(ctx)
		}
		if err != nil {
			undo()
			return nil, &Error{Step: s.Name, Err: err}
		}
		done++
	}
	return undo, nil
}
