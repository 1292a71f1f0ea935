package serve

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

func TestClipboardIsSetPastedAndRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		b := newBench(t, d)
		defer b.close(t)
		read := func() string {
			t.Helper()
			r, err := b.Do(t.Context(), desktop.GetClipboard{}, desktop.Observe{})
			if err != nil {
				t.Fatal(err)
			}
			return string(r.Data)
		}
		if _, err := b.Do(t.Context(), desktop.SetClipboard{Text: "set"}, desktop.Observe{}); err != nil || read() != "set" {
			t.Errorf("the clipboard holds %q, %v", read(), err)
		}
		r, err := b.Do(t.Context(), desktop.Paste{Text: "pasted"}, desktop.Observe{Mode: desktop.ObserveSettled})
		if err != nil || r.Frame == nil || read() != "pasted" {
			t.Errorf("the clipboard holds %q, %v", read(), err)
		}
		if diff := cmp.Diff([]string{"paste keys", "settle", "capture"}, d.did()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWindowsAreAnswered(t *testing.T) {
	tests := []struct {
		action  desktop.Action
		title   string
		notices []string
		stdout  string
	}{
		{action: desktop.ListWindows{}, title: "listed"},
		{action: desktop.ChangeWindow{ID: 7, Do: desktop.WindowFocus}, title: "focus", notices: []string{"it asks something"}},
		{action: desktop.Launch{Command: "xterm"}, title: "launched", notices: []string{"it is slow"}, stdout: "xterm"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, newFake())
			defer b.close(t)
			r, err := b.Do(t.Context(), tt.action, desktop.Observe{Mode: desktop.ObserveNow})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Windows) != 1 || r.Windows[0].Title != tt.title || r.Frame == nil || string(r.Stdout) != tt.stdout {
				t.Errorf("%s answers %+v", tt.action.Name(), r.Response)
			}
			if diff := cmp.Diff(tt.notices, r.Notices); diff != "" {
				t.Errorf("%s: notices: %s", tt.action.Name(), diff)
			}
		})
	}
}

func TestBatchesMayChangeWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFake()
		b := newBench(t, d)
		defer b.close(t)
		batch := batchOf(desktop.ChangeWindow{ID: 7, Do: desktop.WindowFocus}, desktop.KeyDown{Keys: "shift"}, oneClick, desktop.KeyUp{Keys: "shift"}, desktop.Paste{Text: "x"})
		r, err := b.Do(t.Context(), batch, desktop.Observe{})
		if err != nil || len(r.Steps) != 5 || r.Windows != nil {
			t.Errorf("answered %+v, %v", r, err)
		}
		want := []string{"calm", "key_down shift", "click1", "calm", "key_up shift", "calm", "paste keys"}
		if diff := cmp.Diff(want, d.did()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
