package x11

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/xprobe"
)

func TestHeldKeys(t *testing.T) {
	ctx := context.Background()
	down := func(keys string) func(*Display) error {
		return func(d *Display) error { return d.KeyDown(ctx, desktop.KeyDown{Keys: keys}) }
	}
	up := func(keys string) func(*Display) error {
		return func(d *Display) error { return d.KeyUp(ctx, desktop.KeyUp{Keys: keys}) }
	}
	key := func(keys string) func(*Display) error {
		return func(d *Display) error { return d.Key(ctx, desktop.Key{Keys: keys}) }
	}
	click := func(d *Display) error { return d.Click(ctx, desktop.Click{Button: 1, Count: 1, At: at(4, 5)}) }
	tests := []struct {
		name  string
		steps []func(*Display) error
		want  string
	}{
		{"modifier around a click", []func(*Display) error{down("shift"), click, up("shift")}, "+Shift_L +1@4,5 -1@4,5 -Shift_L"},
		{"modifier around a key", []func(*Display) error{down("ctrl"), key("a"), key("b"), up("Control")}, "+Control_L +a -a +b -b -Control_L"},
		{"modifier that a chord needs too", []func(*Display) error{down("ctrl"), key("ctrl+a"), up("ctrl")}, "+Control_L +a -a -Control_L"},
		{
			"modifier that would make another chord of pasting",
			[]func(*Display) error{down("ctrl"), func(d *Display) error { return d.PressPaste(ctx) }, up("ctrl")},
			"+Control_L -Control_L +Shift_L +Insert -Insert -Shift_L +Control_L -Control_L",
		},
		{"chord, released last key first", []func(*Display) error{down("ctrl+alt"), up("ctrl+alt")}, "+Control_L +Alt_L -Alt_L -Control_L"},
		{"chord, released one by one", []func(*Display) error{down("ctrl+alt"), up("ctrl"), up("alt")}, "+Control_L +Alt_L -Control_L -Alt_L"},
		{"capital letter with its Shift", []func(*Display) error{down("A"), up("A")}, "+Shift_L +A -A -Shift_L"},
		{"the same key by another name", []func(*Display) error{down("A"), up("a")}, "+Shift_L +A -A -Shift_L"},
		{"Shift that was there before", []func(*Display) error{down("shift"), down("A"), up("A"), up("shift")}, "+Shift_L +A -A -Shift_L"},
	}
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	seen(t, d, p)
	for _, tt := range tests {
		for i, step := range tt.steps {
			if err := step(d); err != nil {
				t.Errorf("%s: step %d: %v", tt.name, i+1, err)
			}
		}
		// A server repeats a key that is held for long.
		words := strings.Fields(brief(seen(t, d, p)))
		got := strings.Join(slices.Compact(words), " ")
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestHeldKeysThatCannotBe(t *testing.T) {
	ctx := context.Background()
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	if err := d.KeyDown(ctx, desktop.KeyDown{Keys: "ctrl"}); err != nil {
		t.Fatal(err)
	}
	seen(t, d, p)
	tests := []struct {
		name string
		do   func() error
		want string // in the message
	}{
		{"release of nothing", func() error { return d.KeyUp(ctx, desktop.KeyUp{Keys: "shift"}) }, "key_down first"},
		{"release of more than is held", func() error { return d.KeyUp(ctx, desktop.KeyUp{Keys: "ctrl+shift"}) }, "key_down first"},
		{"press of what is held", func() error { return d.KeyDown(ctx, desktop.KeyDown{Keys: "shift+ctrl"}) }, "key_up first"},
		{"tap of what is held", func() error { return d.Key(ctx, desktop.Key{Keys: "ctrl"}) }, "key_up first"},
		{"hold of what is held", func() error { return d.HoldKey(ctx, desktop.HoldKey{Keys: "Control", DurationMS: 1}) }, "key_up first"},
		{"a key that no keyboard has", func() error { return d.KeyDown(ctx, desktop.KeyDown{Keys: "字"}) }, "type"},
		{"an unknown key", func() error { return d.KeyDown(ctx, desktop.KeyDown{Keys: "shfit"}) }, "Shift"},
	}
	for _, tt := range tests {
		err := tt.do()
		var e *desktop.Error
		if !errors.As(err, &e) || e.Code != desktop.CodeInvalid || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%s: got error %v, want an invalid action and %q", tt.name, err, tt.want)
		}
		if got := brief(seen(t, d, p)); got != "" {
			t.Errorf("%s: the application saw %s", tt.name, got)
		}
	}
	if err := d.ReleaseAll(ctx); err != nil {
		t.Fatal(err)
	}
	if got := brief(seen(t, d, p)); got != "-Control_L" {
		t.Errorf("ReleaseAll: the application saw %s", got)
	}
	// What was released otherwise can be pressed again.
	if err := errors.Join(d.KeyDown(ctx, desktop.KeyDown{Keys: "ctrl"}), d.KeyUp(ctx, desktop.KeyUp{Keys: "ctrl"})); err != nil {
		t.Error(err)
	}
}
