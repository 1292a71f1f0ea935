package serve

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/desktop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// examples has a valid action of every kind.
var examples = []desktop.Action{
	desktop.Screenshot{},
	desktop.CursorPosition{},
	desktop.Move{To: desktop.Point{X: 3, Y: 2}},
	desktop.Click{Button: desktop.Left, Count: 1},
	desktop.ButtonDown{Button: desktop.Left},
	desktop.ButtonUp{Button: desktop.Left},
	desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 1, Y: 1}}},
	desktop.Scroll{DY: 1},
	desktop.Type{Text: "a"},
	desktop.Key{Keys: "a"},
	desktop.KeyDown{Keys: "shift"},
	desktop.KeyUp{Keys: "shift"},
	desktop.Release{},
	desktop.HoldKey{Keys: "a", DurationMS: 1},
	desktop.Wait{DurationMS: 1},
	desktop.Exec{Command: "true"},
	desktop.ExecOutput{Job: 1},
	desktop.ExecStop{Job: 1},
	desktop.ReadFile{Path: "a"},
	desktop.WriteFile{Path: "a", Data: []byte("x")},
	desktop.ListFiles{Path: "a"},
	desktop.GetClipboard{},
	desktop.SetClipboard{Text: "a"},
	desktop.Paste{Text: "a"},
	desktop.ListWindows{},
	desktop.ChangeWindow{ID: 7, Do: desktop.WindowFocus},
	desktop.Launch{Command: "xterm"},
	desktop.ResizeScreen{Size: desktop.Size{Width: 640, Height: 480}},
	desktop.OpenURL{URL: "https://example.com/"},
	desktop.RestBrowser{},
	desktop.Batch{Actions: []desktop.Step{{Action: desktop.Key{Keys: "a"}}}},
}

func TestEveryActionHasAHandler(t *testing.T) {
	rows := make(map[string]bool)
	for _, spec := range desktop.Actions {
		rows[spec.Name] = true
		if handlers[spec.Name] == nil {
			t.Errorf("action %q has no handler", spec.Name)
		}
		if !slices.ContainsFunc(examples, func(a desktop.Action) bool { return a.Name() == spec.Name }) {
			t.Errorf("action %q has no example here", spec.Name)
		}
	}
	for name := range handlers {
		if !rows[name] {
			t.Errorf("handler %q belongs to no action", name)
		}
	}
}

func TestActionsAnswerWhatTheTableSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newFake())
		defer b.close(t)
		for _, a := range examples {
			r, err := b.Do(t.Context(), a, desktop.Observe{})
			if err != nil {
				t.Errorf("%s: %v", a.Name(), err)
				continue
			}
			spec, _ := desktop.ActionByName(a.Name())
			if got, want := r.X != nil, spec.Answers.Has(desktop.AnswersPointer); got != want {
				t.Errorf("%s answers where the pointer is: %v, want %v", a.Name(), got, want)
			}
			if got, want := r.Exec != nil, spec.Answers.Has(desktop.AnswersOutput); got != want {
				t.Errorf("%s answers output: %v, want %v", a.Name(), got, want)
			}
			if got, want := r.Steps != nil, spec.Answers.Has(desktop.AnswersSteps); got != want {
				t.Errorf("%s answers steps: %v, want %v", a.Name(), got, want)
			}
			if got, want := r.Frame != nil, a.Name() == "screenshot"; got != want {
				t.Errorf("%s answers a picture although none was asked for: %v, want %v", a.Name(), got, want)
			}
		}
	})
}

func TestInputActionsRunOneAtATimeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		d.hold["type"] = make(chan struct{})
		b := newBench(t, d)
		defer b.close(t)
		first := b.do(t.Context(), desktop.Type{Text: "one"})
		synctest.Wait()
		second := b.do(t.Context(), desktop.Click{Button: desktop.Left, Count: 2})
		synctest.Wait()
		third := b.do(t.Context(), desktop.Key{Keys: "Return"})
		synctest.Wait()
		if diff := cmp.Diff([]string{"type one"}, d.did()); diff != "" {
			t.Errorf("while the first lasts: %s", diff)
		}
		// What is no input does not wait.
		if r, err := b.Do(t.Context(), desktop.Exec{Command: "date"}, desktop.Observe{}); err != nil || string(r.Stdout) != "date" {
			t.Errorf("exec beside input: %v, %v", r, err)
		}
		close(d.hold["type"])
		for i, ch := range []<-chan answer{first, second, third} {
			if r := <-ch; r.err != nil {
				t.Errorf("action %d: %v", i+1, r.err)
			}
		}
		if diff := cmp.Diff([]string{"type one", "click2", "key Return"}, d.did()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCancelBeforeItsTurnDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		d.hold["type"] = make(chan struct{})
		b := newBench(t, d)
		defer b.close(t)
		first := b.do(t.Context(), desktop.Type{Text: "one"})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		second := b.do(ctx, desktop.Click{Button: desktop.Left, Count: 1})
		synctest.Wait()
		third := b.do(t.Context(), desktop.Key{Keys: "Return"})
		synctest.Wait()
		cancel()
		begun := time.Now()
		wantCode(t, <-second, desktop.CodeCancelled)
		if took := time.Since(begun); took != 0 {
			t.Errorf("the cancel took %v: it waited for the turn", took)
		}
		close(d.hold["type"])
		<-first
		if r := <-third; r.err != nil {
			t.Errorf("the action behind the cancelled one: %v", r.err)
		}
		if diff := cmp.Diff([]string{"type one", "key Return"}, d.did()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCancelStopsWhatCanBeStoppedAndLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		d.hold["hold_key"] = make(chan struct{})
		b := newBench(t, d)
		defer b.close(t)
		ctx, cancel := context.WithCancel(t.Context())
		r := b.do(ctx, desktop.HoldKey{Keys: "a", DurationMS: 1000})
		synctest.Wait()
		cancel()
		wantCode(t, <-r, desktop.CodeCancelled)
		if diff := cmp.Diff([]string{"hold_key a", "release"}, d.did()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestErrorsLetGoOfKeysUnlessNothingWasDone(t *testing.T) {
	for code, want := range map[desktop.Code][]string{
		desktop.CodeInvalid:      {"key a"},
		desktop.CodeNotDelivered: {"key a", "release"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newFake()
			d.fail["key"] = desktop.Errorf(code, "no")
			b := newBench(t, d)
			r, err := b.Do(t.Context(), desktop.Key{Keys: "a"}, desktop.Observe{})
			wantCode(t, answer{r, err}, code)
			got := d.did()
			b.close(t)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", code, diff)
			}
		})
	}
}

func TestDisconnectStopsEverythingAndLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		d.hold["type"] = make(chan struct{})
		b := newBench(t, d)
		typing := b.do(t.Context(), desktop.Type{Text: "one"})
		waiting := b.do(t.Context(), desktop.Wait{DurationMS: 100_000})
		running := b.do(t.Context(), desktop.Exec{Command: "forever"})
		synctest.Wait()
		b.close(t)
		for _, ch := range []<-chan answer{typing, waiting, running} {
			wantCode(t, <-ch, desktop.CodeUnknown)
		}
		if got := d.did(); got[len(got)-1] != "release" {
			t.Errorf("the display was told %q, and not to release at the end", got)
		}
	})
}

func TestFramesOfOneConnectionAreNumberedAcrossDisplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		d.fill = 1
		b := newBench(t, d)
		look := func(number, base uint64, fill byte) {
			t.Helper()
			r, err := b.Do(t.Context(), desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled})
			if err != nil {
				t.Fatal(err)
			}
			if r.Frame.Number != number || r.Frame.Base != base {
				t.Errorf("frame %d is based on %d, want %d on %d", r.Frame.Number, r.Frame.Base, number, base)
			}
			if p, ok := b.Mirror().Picture(false); !ok || p.Pix[0] != fill {
				t.Errorf("the mirror does not show display %d", fill)
			}
		}
		look(1, 0, 1)
		look(2, 1, 1)
		other := newFake()
		other.fill = 2
		b.server.Desk.Place(other)
		look(3, 0, 2)
		look(4, 3, 2)
		b.close(t)
		b.connect(t)
		look(1, 0, 2)
		b.close(t)
	})
}

func TestOutputFollowsThePicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newFake())
		defer b.close(t)
		r, err := b.Do(t.Context(), desktop.Exec{Command: "hello"}, desktop.Observe{Mode: desktop.ObserveNow})
		if err != nil || r.Frame == nil || string(r.Stdout) != "hello" {
			t.Errorf("result %+v, %v", r, err)
		}
	})
}

func TestNoticesComeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newFake())
		defer b.close(t)
		b.server.Desk.Notify("the X server crashed")
		b.server.Desk.Notify("the X server crashed")
		for _, want := range [][]string{{"the X server crashed"}, nil} {
			r, err := b.Do(t.Context(), desktop.Wait{}, desktop.Observe{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, r.Notices); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// What the display says of an action goes with the answer to that, and with no
// other.
func TestNoticesOfAnAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		d.notices = []string{"nobody listens"}
		b := newBench(t, d)
		defer b.close(t)
		for _, tt := range []struct {
			action desktop.Action
			want   []string
		}{
			{desktop.Key{Keys: "a"}, d.notices},
			{desktop.ButtonUp{Button: desktop.Left}, d.notices},
			{batchOf(desktop.Key{Keys: "a"}), d.notices},
			{desktop.CursorPosition{}, nil},
			{desktop.Exec{Command: "date"}, nil},
		} {
			r, err := b.Do(t.Context(), tt.action, desktop.Observe{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, r.Notices); diff != "" {
				t.Errorf("%s: %s", tt.action.Name(), diff)
			}
		}
	})
}

func TestActionsWaitForADisplayThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		defer b.close(t)
		r := b.do(t.Context(), desktop.Key{Keys: "a"})
		synctest.Wait()
		b.server.Desk.Place(newFake())
		if r := <-r; r.err != nil {
			t.Error(r.err)
		}
	})
}

func TestActionsEndWhenNoDisplayComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		defer b.close(t)
		begun := time.Now()
		r, err := b.Do(t.Context(), desktop.Key{Keys: "a"}, desktop.Observe{})
		wantCode(t, answer{r, err}, desktop.CodeUnavailable)
		if took := time.Since(begun); took != displayWait {
			t.Errorf("it took %v, want %v", took, displayWait)
		}
	})
}

func TestWhatWasDoneStaysDoneWhenTheScreenCannotBeSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		d.fail["capture"] = errors.New("no memory")
		b := newBench(t, d)
		defer b.close(t)
		r, err := b.Do(t.Context(), desktop.Key{Keys: "a"}, desktop.Observe{Mode: desktop.ObserveNow})
		if err != nil || r.Frame != nil || len(r.Notices) != 1 || !strings.Contains(r.Notices[0], "no memory") {
			t.Errorf("result %+v, %v: want success with a notice", r, err)
		}
		r, err = b.Do(t.Context(), desktop.Screenshot{}, desktop.Observe{})
		wantCode(t, answer{r, err}, desktop.CodeInternal)
	})
}

func TestRegionMustBeOnTheScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newFake())
		defer b.close(t)
		r, err := b.Do(t.Context(), desktop.Screenshot{Region: &desktop.Rect{X1: 5, Y1: 3}}, desktop.Observe{})
		wantCode(t, answer{r, err}, desktop.CodeInvalid)
		if !strings.Contains(err.Error(), "x1 <= 4") {
			t.Errorf("%v does not say what to send", err)
		}
	})
}

func TestWaitTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newFake())
		defer b.close(t)
		begun := time.Now()
		if _, err := b.Do(t.Context(), desktop.Wait{DurationMS: 1500}, desktop.Observe{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 1500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func wantCode(t *testing.T, a answer, code desktop.Code) {
	t.Helper()
	var e *desktop.Error
	if !errors.As(a.err, &e) || e.Code != code {
		t.Errorf("error %v, want code %s", a.err, code)
	}
}
