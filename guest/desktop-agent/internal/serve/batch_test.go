package serve

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

func batchOf(actions ...desktop.Action) desktop.Batch {
	var b desktop.Batch
	for _, a := range actions {
		b.Actions = append(b.Actions, desktop.Step{Action: a})
	}
	return b
}

var (
	oneClick = desktop.Click{Button: desktop.Left, Count: 1}
	settled  = desktop.Observe{Mode: desktop.ObserveSettled}
)

func TestBatchRunsInOrderAndLooksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		b := newBench(t, d)
		defer b.close(t)
		r, err := b.Do(t.Context(), batchOf(oneClick, desktop.Type{Text: "x"}, desktop.Wait{DurationMS: 5}, desktop.Key{Keys: "Return"}), settled)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"click1", "calm", "type x", "calm", "key Return", "settle", "capture"}
		if diff := cmp.Diff(want, d.did()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(r.Steps) != 4 || r.Steps[0].X == nil || r.Steps[1].X != nil || r.X == nil || r.Frame == nil || r.Settle == nil {
			t.Errorf("answered %+v", r.Response)
		}
	})
}

func TestBatchStopsAtTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		d.fail["type"] = desktop.Errorf(desktop.CodeNotDelivered, "half of it")
		b := newBench(t, d)
		defer b.close(t)
		r, err := b.Do(t.Context(), batchOf(desktop.ButtonDown{Button: desktop.Left}, desktop.Type{Text: "x"}, oneClick), settled)
		var e *desktop.Error
		if !errors.As(err, &e) || e.Code != desktop.CodeNotDelivered {
			t.Fatalf("failed with %v", err)
		}
		// What it pressed is released, and how it looks now is shown.
		want := []string{"button_down", "type x", "release", "settle", "capture"}
		if diff := cmp.Diff(want, d.did()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(r.Steps) != 2 || !r.Steps[0].OK || r.Steps[1].OK || r.Frame == nil {
			t.Errorf("answered %+v", r.Response)
		}
	})
}

func TestBatchIsCheckedBeforeItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		b := newBench(t, d)
		defer b.close(t)
		_, err := b.Do(t.Context(), batchOf(oneClick, desktop.Key{Keys: "nonsense"}), settled)
		var e *desktop.Error
		if !errors.As(err, &e) || e.Code != desktop.CodeInvalid {
			t.Errorf("failed with %v", err)
		}
		if got := d.did(); len(got) != 0 {
			t.Errorf("did %q", got)
		}
	})
}

func TestCancelledBatchGoesNoFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		d.hold["resize_screen"] = make(chan struct{})
		b := newBench(t, d)
		defer b.close(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := b.do(ctx, batchOf(desktop.ResizeScreen{Size: desktop.Size{Width: 640, Height: 480}}, desktop.Type{Text: "x"}))
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(d.hold["resize_screen"]) // which cannot be cancelled half-way
		r := <-done
		var e *desktop.Error
		if !errors.As(r.err, &e) || e.Code != desktop.CodeCancelled {
			t.Errorf("failed with %v", r.err)
		}
		for _, did := range d.did() {
			if did == "type x" {
				t.Error("the action after the cancel was done")
			}
		}
		if len(r.Steps) != 2 || !r.Steps[0].OK || r.Steps[1].OK {
			t.Errorf("answered %+v", r.Response)
		}
	})
}
