package mcp

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

// twirl is an Action that nothing here knows.
type twirl struct {
	Around *desktop.Point `json:"around" arg:"coordinate"`
	Over   []desktop.Point
	From   desktop.Point
	Of     *desktop.Rect
	Speed  int
}

func (twirl) Name() string    { return "twirl" }
func (twirl) Validate() error { return nil }

// The points of an Action are found in its fields: a new one is aimed without
// anything being said of it.
func TestAimFindsAllPoints(t *testing.T) {
	v := newView(desktop.Size{Width: 3136, Height: 800}, settings{}) // shown with half of the size
	asked := twirl{
		Around: pointAt(0, 0), Over: []desktop.Point{{X: 1567, Y: 399}, {X: 10, Y: 10}}, From: desktop.Point{X: 1567, Y: 0},
		Of: &desktop.Rect{X0: 1, Y0: 2, X1: 3, Y1: 4}, Speed: 7,
	}
	want := twirl{
		Around: pointAt(0, 0), Over: []desktop.Point{{X: 3135, Y: 799}, {X: 20, Y: 20}}, From: desktop.Point{X: 3135, Y: 0},
		Of: &desktop.Rect{X0: 2, Y0: 4, X1: 6, Y1: 8}, Speed: 7,
	}
	got, err := v.aim(asked)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(desktop.Action(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if asked.Over[0].X != 1567 {
		t.Error("what was asked for has been changed")
	}
	for _, wrong := range []twirl{{Around: pointAt(1568, 0)}, {Over: []desktop.Point{{Y: 400}}}, {From: desktop.Point{X: 9999}}, {Of: &desktop.Rect{X1: 1569, Y1: 1}}} {
		if _, err := v.aim(wrong); err == nil {
			t.Errorf("%+v was aimed beside the screen", wrong)
		}
		if _, err := v.aim(desktop.Batch{Actions: []desktop.Step{{Action: wrong}}}); err == nil {
			t.Errorf("%+v was aimed beside the screen in a batch", wrong)
		}
	}
}

func TestHasPoints(t *testing.T) {
	for _, tc := range []struct {
		action  desktop.Action
		want    bool
		targets []desktop.Point
	}{
		{desktop.Screenshot{}, false, nil},
		{desktop.Screenshot{Region: &desktop.Rect{X1: 1, Y1: 1}}, true, nil},
		{desktop.Key{Keys: "a"}, false, nil},
		{desktop.Click{Button: desktop.Left, Count: 1}, false, nil},
		{desktop.Click{Button: desktop.Left, Count: 1, At: pointAt(1, 2)}, true, []desktop.Point{{X: 1, Y: 2}}},
		{desktop.Move{}, true, []desktop.Point{{}}},
		{desktop.Drag{Button: desktop.Left, Path: []desktop.Point{{X: 1}, {X: 2}, {X: 3}}}, true, []desktop.Point{{X: 1}, {X: 3}}},
		// Where a window goes is not aimed at what is there.
		{desktop.ChangeWindow{ID: 7, Do: desktop.WindowMove, To: pointAt(1, 2)}, true, nil},
		{desktop.ResizeScreen{Size: desktop.Size{Width: 800, Height: 600}}, false, nil},
		{desktop.Batch{Actions: []desktop.Step{{Action: desktop.Key{Keys: "a"}}}}, false, nil},
		{desktop.Batch{Actions: []desktop.Step{{Action: desktop.Key{Keys: "a"}}, {Action: desktop.Click{Button: desktop.Left, Count: 1, At: pointAt(1, 2)}}}}, true, []desktop.Point{{X: 1, Y: 2}}},
	} {
		if got := hasPoints(tc.action); got != tc.want {
			t.Errorf("%T%+v: hasPoints %v", tc.action, tc.action, got)
		}
		if diff := cmp.Diff(tc.targets, targets(tc.action)); diff != "" {
			t.Errorf("%T%+v: targets (-want +got):\n%s", tc.action, tc.action, diff)
		}
	}
}
