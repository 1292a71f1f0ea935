package steps_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/sandbox/internal/steps"
)

// trace records what happens to three steps, of which the one named fail fails.
func trace(ctx context.Context, fail string) (got []string, undo func(), err error) {
	step := func(name string) steps.Step {
		return steps.Step{
			Name: name,
			Do: func(context.Context) error {
				if name == fail {
					return errors.New("broken")
				}
				got = append(got, "do "+name)
				return nil
			},
			Undo: func() { got = append(got, "undo "+name) },
		}
	}
	onStep := func(name string) { got = append(got, "begin "+name) }
	noUndo := step("n")
	noUndo.Undo = nil
	u, err := steps.Run(ctx, onStep, step("a"), noUndo, step("b"))
	return got, func() {
		if u != nil {
			u()
		}
	}, err
}

func TestRun(t *testing.T) {
	cancelled, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("no longer wanted")
	cancel(cause)

	tests := []struct {
		name    string
		ctx     context.Context
		fail    string
		want    []string
		wantErr string
	}{
		{"all succeed", context.Background(), "", []string{"begin a", "do a", "begin n", "do n", "begin b", "do b"}, ""},
		{"the first fails", context.Background(), "a", []string{"begin a"}, "a: broken"},
		{"the last fails", context.Background(), "b", []string{"begin a", "do a", "begin n", "do n", "begin b", "undo a"}, "b: broken"},
		{"context is done", cancelled, "", nil, "a: no longer wanted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := trace(tt.ctx, tt.fail)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("trace (-want +got):\n%s", diff)
			}
			switch {
			case tt.wantErr == "" && err != nil:
				t.Errorf("Run: %v", err)
			case tt.wantErr != "" && (err == nil || err.Error() != tt.wantErr):
				t.Errorf("Run: got %v, want %s", err, tt.wantErr)
			}
		})
	}
}

func TestRunErrorNamesStepAndKeepsCause(t *testing.T) {
	cause := errors.New("cause")
	_, err := steps.Run(context.Background(), nil, steps.Step{Name: "s", Do: func(context.Context) error { return cause }})
	var e *steps.Error
	if !errors.As(err, &e) || e.Step != "s" || !errors.Is(err, cause) {
		t.Fatalf("Run: got %#v, want *steps.Error of step s that wraps the cause", err)
	}
}

func TestUndoRunsInReverseOnce(t *testing.T) {
	var order []string
	step := func(name string) steps.Step {
		return steps.Step{Name: name, Do: func(context.Context) error { return nil }, Undo: func() { order = append(order, name) }}
	}
	undo, err := steps.Run(context.Background(), nil, step("a"), step("b"))
	if err != nil {
		t.Fatal(err)
	}
	undo()
	undo()
	if diff := cmp.Diff([]string{"b", "a"}, order); diff != "" {
		t.Errorf("undo order (-want +got):\n%s", diff)
	}
}
