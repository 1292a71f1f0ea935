package x11

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/xprobe"
)

// brief writes events as words: "+Shift_L" for a key that was pressed,
// "-1@10,20" for a button that was released, "[Control]" for what was held.
func brief(events []xprobe.Event) string {
	var words []string
	for _, e := range events {
		sign := "+"
		if e.Kind == xprobe.KeyRelease || e.Kind == xprobe.ButtonRelease {
			sign = "-"
		}
		switch e.Kind {
		case xprobe.KeyPress, xprobe.KeyRelease:
			words = append(words, sign+keyName(e.Keysym))
		case xprobe.ButtonPress, xprobe.ButtonRelease:
			words = append(words, fmt.Sprintf("%s%d@%d,%d", sign, e.Detail, e.X, e.Y))
		}
	}
	return strings.Join(words, " ")
}

// keyName returns the first name of a keysym in the table.
func keyName(sym uint32) string {
	if sym > uint32(keysymUnicode) && sym < uint32(keysymUnicode)+0x110000 {
		return string(rune(sym - uint32(keysymUnicode)))
	}
	suffix := fmt.Sprintf(" %x", sym)
	for line := range strings.Lines(keysymTable) {
		if name, ok := strings.CutSuffix(strings.TrimSuffix(line, "\n"), suffix); ok {
			return name
		}
	}
	return suffix
}

func saysNothing(d *Display) error {
	if notices := d.Notices(); notices != nil {
		return fmt.Errorf("notices %q", notices)
	}
	return nil
}

func at(x, y int) *desktop.Point { return &desktop.Point{X: x, Y: y} }

func TestInputArrivesAsAsked(t *testing.T) {
	ctx := context.Background()
	type step = func(d *Display) error
	click := func(c desktop.Click) step { return func(d *Display) error { return d.Click(ctx, c) } }
	key := func(keys string) step { return func(d *Display) error { return d.Key(ctx, desktop.Key{Keys: keys}) } }
	typed := func(text string) step {
		return func(d *Display) error { return d.Type(ctx, desktop.Type{Text: text}) }
	}
	tests := []struct {
		name string
		do   step
		want string
	}{
		{"click top left", click(desktop.Click{Button: 1, Count: 1, At: at(0, 0)}), "+1@0,0 -1@0,0"},
		{"click top right", click(desktop.Click{Button: 1, Count: 1, At: at(1279, 0)}), "+1@1279,0 -1@1279,0"},
		{"click bottom left", click(desktop.Click{Button: 3, Count: 1, At: at(0, 799)}), "+3@0,799 -3@0,799"},
		{"click bottom right", click(desktop.Click{Button: 2, Count: 1, At: at(1279, 799)}), "+2@1279,799 -2@1279,799"},
		{"back button", click(desktop.Click{Button: 8, Count: 1, At: at(7, 9)}), "+8@7,9 -8@7,9"},
		{"double click", click(desktop.Click{Button: 1, Count: 2, At: at(5, 6)}), "+1@5,6 -1@5,6 +1@5,6 -1@5,6"},
		{"click where the pointer is", click(desktop.Click{Button: 3, Count: 1}), "+3@5,6 -3@5,6"},
		{
			"click with modifiers", click(desktop.Click{Button: 1, Count: 1, At: at(50, 60), Modifiers: []string{"ctrl", "shift"}}),
			"+Control_L +Shift_L +1@50,60 -1@50,60 -Shift_L -Control_L",
		},
		{
			"button down and up", func(d *Display) error {
				return errors.Join(
					d.Move(ctx, desktop.Move{To: desktop.Point{X: 100, Y: 200}}),
					d.ButtonDown(ctx, desktop.ButtonDown{Button: 1}),
					d.Move(ctx, desktop.Move{To: desktop.Point{X: 150, Y: 200}}),
					d.ButtonUp(ctx, desktop.ButtonUp{Button: 1}))
			}, "+1@100,200 -1@150,200",
		},
		{
			"drag", func(d *Display) error {
				return d.Drag(ctx, desktop.Drag{Button: 1, Path: []desktop.Point{{X: 300, Y: 300}, {X: 400, Y: 300}, {X: 400, Y: 350}}, Modifiers: []string{"alt"}})
			}, "+Alt_L +1@300,300 -1@400,350 -Alt_L",
		},
		{
			"drag from where the pointer is", func(d *Display) error {
				return d.Drag(ctx, desktop.Drag{Button: 1, Path: []desktop.Point{{X: 0, Y: 0}}})
			}, "+1@400,350 -1@0,0",
		},
		{
			"scroll", func(d *Display) error {
				return d.Scroll(ctx, desktop.Scroll{At: at(9, 9), DX: -1, DY: 2, Modifiers: []string{"ctrl"}})
			}, "+Control_L +5@9,9 -5@9,9 +5@9,9 -5@9,9 +6@9,9 -6@9,9 -Control_L",
		},
		{
			"scroll the other way", func(d *Display) error { return d.Scroll(ctx, desktop.Scroll{DX: 1, DY: -1}) },
			"+4@9,9 -4@9,9 +7@9,9 -7@9,9",
		},
		{
			"scroll by pixels", func(d *Display) error {
				return d.Scroll(ctx, desktop.Scroll{DX: -10, DY: 2 * desktop.NotchPixels, Pixels: true})
			},
			"+5@9,9 -5@9,9 +5@9,9 -5@9,9 +6@9,9 -6@9,9",
		},
		{"chord", key("ctrl+shift+t"), "+Control_L +Shift_L +T -T -Shift_L -Control_L"},
		{"plus as a character", key("ctrl++"), "+Control_L +Shift_L +plus -plus -Shift_L -Control_L"},
		{"plus as a name", key("ctrl+plus"), "+Control_L +Shift_L +plus -plus -Shift_L -Control_L"},
		{"capital letter", key("A"), "+Shift_L +A -A -Shift_L"},
		{"capital letter of a command", key("ctrl+A"), "+Control_L +a -a -Control_L"},
		{"shifted symbol", key("question"), "+Shift_L +question -question -Shift_L"},
		{"modifier alone", key("shift"), "+Shift_L -Shift_L"},
		{"Return", key("enter"), "+Return -Return"},
		{"keypad digit", key("KP_1"), "+KP_1 -KP_1"},
		{"a key that no keyboard has", key("F35"), "+F35 -F35"},
		{"a character that the keymap lacks", key("ctrl+é"), "+Control_L +eacute -eacute -Control_L"},
		{
			"repeat holds the modifiers", func(d *Display) error { return d.Key(ctx, desktop.Key{Keys: "alt+Tab", Repeat: 3}) },
			"+Alt_L +Tab -Tab +Tab -Tab +Tab -Tab -Alt_L",
		},
		{
			"hold", func(d *Display) error { return d.HoldKey(ctx, desktop.HoldKey{Keys: "shift+x", DurationMS: 1}) },
			"+Shift_L +X -X -Shift_L",
		},
		{"text", typed("aB!\n"), "+a -a +Shift_L +B -B +exclam -exclam -Shift_L +Return -Return"},
		{"lines", typed("\r\n\t\r"), "+Return -Return +Tab -Tab +Return -Return"},
		{"less and greater", typed("<>"), "+Shift_L +less -less +greater -greater -Shift_L"},
		{"accented capital", typed("Éé"), "+Eacute -Eacute +eacute -eacute"},
		{"Cyrillic capital", typed("Ж字"), "+Ж -Ж +字 -字"},
	}
	eachServer(t, func(t *testing.T, s *x11test.Server) {
		d := open(t, s.Display, Options{})
		p := probe(t, s, xprobe.Options{})
		for _, tt := range tests {
			if err := errors.Join(tt.do(d), saysNothing(d)); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if diff := cmp.Diff(tt.want, brief(seen(t, d, p))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	})
}

func TestInvalidInputPressesNothing(t *testing.T) {
	ctx := context.Background()
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{Motion: true})
	seen(t, d, p)
	tests := []struct {
		name string
		do   func() error
		want string // in the message
	}{
		{"point beyond the screen", func() error { return d.Click(ctx, desktop.Click{Button: 1, Count: 1, At: at(1280, 0)}) }, "x goes from 0 to 1279"},
		{"move beyond the screen", func() error { return d.Move(ctx, desktop.Move{To: desktop.Point{X: 0, Y: 800}}) }, "y from 0 to 799"},
		{"path beyond the screen", func() error {
			return d.Drag(ctx, desktop.Drag{Button: 1, Path: []desktop.Point{{X: 1, Y: 1}, {X: -1, Y: 5}}})
		}, "outside the screen"},
		{"unknown key", func() error { return d.Key(ctx, desktop.Key{Keys: "ctrl+Retrun"}) }, "Return"},
		{"unknown modifier", func() error {
			return d.Click(ctx, desktop.Click{Button: 1, Count: 1, At: at(1, 1), Modifiers: []string{"ctlr"}})
		}, "ctl"},
		{"no modifier", func() error { return d.Scroll(ctx, desktop.Scroll{DY: 1, Modifiers: []string{"a"}}) }, "use ctrl, shift, alt or super"},
		{"release of nothing", func() error { return d.ButtonUp(ctx, desktop.ButtonUp{Button: 1}) }, "press it first"},
		{"control character", func() error { return d.Type(ctx, desktop.Type{Text: "ab\x03"}) }, "character 3"},
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
}

func TestButtonThatIsDownAlready(t *testing.T) {
	ctx := context.Background()
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	if err := d.ButtonDown(ctx, desktop.ButtonDown{Button: 1}); err != nil {
		t.Fatal(err)
	}
	err := d.Click(ctx, desktop.Click{Button: 1, Count: 1, At: at(3, 3)})
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeInvalid {
		t.Errorf("click with a held button: got %v, want an invalid action", err)
	}
	if err := d.ReleaseAll(ctx); err != nil {
		t.Fatal(err)
	}
	events := brief(seen(t, d, p))
	if strings.Count(events, "+1@") != 1 || strings.Count(events, "-1@") != 1 {
		t.Errorf("the application saw %s, want one press and one release", events)
	}
}

func TestReleaseAllFreesWhatAnotherClientLeft(t *testing.T) {
	ctx := context.Background()
	s := x11test.Start(t, testScreen)
	d := open(t, s.Display, Options{})
	p := probe(t, s, xprobe.Options{})
	if err := d.ButtonDown(ctx, desktop.ButtonDown{Button: 3}); err != nil {
		t.Fatal(err)
	}
	d.wire.end(errors.New("the agent died")) // without a farewell
	<-d.Done()
	after := open(t, s.Display, Options{})
	if err := after.ReleaseAll(ctx); err != nil {
		t.Fatal(err)
	}
	if got := brief(seen(t, after, p)); !strings.Contains(got, "+3@") || !strings.Contains(got, "-3@") {
		t.Errorf("the application saw %s, want button 3 pressed and released", got)
	}
}

func TestCancelReleasesWhatIsHeld(t *testing.T) {
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.HoldKey(ctx, desktop.HoldKey{Keys: "ctrl+shift+x", DurationMS: 300_000}) }()
	for range 3 {
		next(t, p) // the three presses
	}
	start := time.Now()
	cancel()
	err := <-ended
	if took := time.Since(start); took > time.Second {
		t.Errorf("a cancelled hold of 300 s ended after %v, want at once", took)
	}
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeCancelled {
		t.Errorf("got error %v, want cancelled", err)
	}
	// The key may have repeated meanwhile, as a held key does.
	got := brief(seen(t, d, p))
	if !strings.HasSuffix(got, "-X -Shift_L -Control_L") {
		t.Errorf("after the cancel the application saw %s, want the releases in reverse order", got)
	}
}

// A program may keep the pointer to a window. It is waited for, in case a window
// manager is behind, but not any longer than somebody wants.
func TestCancelledMoveStopsAtOnce(t *testing.T) {
	d, s := startDisplay(t)
	p := newPainter(t, s.Display)
	small, err := xproto.NewWindowId(p.conn)
	if err != nil {
		t.Fatal(err)
	}
	screen := xproto.Setup(p.conn).DefaultScreen(p.conn)
	xproto.CreateWindow(p.conn, screen.RootDepth, small, p.window, 0, 0, 50, 50, 0, xproto.WindowClassInputOutput, screen.RootVisual, 0, nil)
	xproto.MapWindow(p.conn, small)
	grab, err := xproto.GrabPointer(p.conn, false, small, 0, xproto.GrabModeAsync, xproto.GrabModeAsync, small, xproto.CursorNone, xproto.TimeCurrentTime).Reply()
	if err != nil || grab.Status != xproto.GrabStatusSuccess {
		t.Fatalf("keep the pointer: %+v, %v", grab, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
	start := time.Now()
	err = d.Click(ctx, desktop.Click{Button: desktop.Left, Count: 1, At: at(400, 300)})
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeCancelled {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	if took := time.Since(start); took >= landing {
		t.Errorf("it took %v", took)
	}
}

func TestCancelledTextStopsAtOnce(t *testing.T) {
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Type(ctx, desktop.Type{Text: strings.Repeat("abcdefgh ", 40_000)}) }()
	next(t, p)
	cancel()
	var e *desktop.Error
	go func() { // the probe must be drained for the server to go on
		for range p.Events() {
		}
	}()
	if err := <-ended; !errors.As(err, &e) || e.Code != desktop.CodeCancelled || !strings.Contains(e.Message, "of 360000 characters") {
		t.Errorf("got error %v, want cancelled and how far it came", err)
	}
}

// Two clicks that were asked for one by one must not become a double click.
func TestClicksAtOnePlaceAreApart(t *testing.T) {
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	var times []uint32
	for range 2 {
		if err := d.Click(t.Context(), desktop.Click{Button: 1, Count: 1, At: at(10, 10)}); err != nil {
			t.Fatal(err)
		}
		times = append(times, next(t, p).Time)
		next(t, p)
	}
	if gap := times[1] - times[0]; gap < 500 {
		t.Errorf("the clicks are %d ms apart, want more than a double click's 500", gap)
	}
}

// Clicks that may not make a double click are not reported as one.
func TestLateClicks(t *testing.T) {
	if err := together(soonClick); err != nil {
		t.Error(err)
	}
	err := together(soonClick + time.Millisecond)
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeUnknown || !strings.Contains(e.Message, "up to 401 ms apart") {
		t.Errorf("got %v", err)
	}
}

func TestCapsLockDoesNotMatter(t *testing.T) {
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	if err := d.Key(t.Context(), desktop.Key{Keys: "Caps_Lock"}); err != nil {
		t.Fatal(err)
	}
	seen(t, d, p)
	if err := d.Type(t.Context(), desktop.Type{Text: "aA"}); err != nil {
		t.Fatal(err)
	}
	const lock = 2
	for _, e := range seen(t, d, p) {
		if e.Kind == xprobe.KeyPress && (e.Keysym == 'a' || e.Keysym == 'A') && e.State&lock != 0 {
			t.Errorf("%c was typed with Caps Lock on", rune(e.Keysym))
		}
	}
	if err := d.Key(t.Context(), desktop.Key{Keys: "x"}); err != nil {
		t.Fatal(err)
	}
	if events := seen(t, d, p); len(events) == 0 || events[0].State&lock == 0 {
		t.Error("Caps Lock is off after the text, want it on as before")
	}
}

func TestDragHasAWay(t *testing.T) {
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{Motion: true})
	seen(t, d, p)
	from, to := desktop.Point{X: 100, Y: 100}, desktop.Point{X: 500, Y: 400}
	if err := d.Drag(t.Context(), desktop.Drag{Button: 1, Path: []desktop.Point{from, to}}); err != nil {
		t.Fatal(err)
	}
	var way []desktop.Point
	down := false
	for _, e := range seen(t, d, p) {
		switch {
		case e.Kind == xprobe.ButtonPress:
			down = true
		case e.Kind == xprobe.ButtonRelease:
			down = false
			if (desktop.Point{X: e.X, Y: e.Y}) != to {
				t.Errorf("released at %d,%d, want %v", e.X, e.Y, to)
			}
		case e.Kind == xprobe.Motion && down:
			way = append(way, desktop.Point{X: e.X, Y: e.Y})
		}
	}
	if len(way) < 20 {
		t.Errorf("the application saw %d motions on the way, want 20 and more", len(way))
	}
}

func TestDragPath(t *testing.T) {
	tests := []struct {
		name string
		path []desktop.Point
		want []desktop.Point
	}{
		{"nowhere", []desktop.Point{{X: 5, Y: 5}, {X: 5, Y: 5}}, nil},
		{"short", []desktop.Point{{X: 0, Y: 0}, {X: 5, Y: 0}}, []desktop.Point{{X: 2, Y: 0}, {X: 4, Y: 0}, {X: 5, Y: 0}}},
		{
			"small steps first", []desktop.Point{{X: 0, Y: 0}, {X: 0, Y: 40}},
			[]desktop.Point{{X: 0, Y: 2}, {X: 0, Y: 4}, {X: 0, Y: 6}, {X: 0, Y: 8}, {X: 0, Y: 10}, {X: 0, Y: 12}, {X: 0, Y: 14}, {X: 0, Y: 30}, {X: 0, Y: 40}},
		},
		{
			"through a corner", []desktop.Point{{X: 100, Y: 0}, {X: 84, Y: 0}, {X: 84, Y: 16}},
			[]desktop.Point{{X: 98, Y: 0}, {X: 96, Y: 0}, {X: 94, Y: 0}, {X: 92, Y: 0}, {X: 90, Y: 0}, {X: 88, Y: 0}, {X: 86, Y: 0}, {X: 84, Y: 0}, {X: 84, Y: 16}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []desktop.Point
			for i, to := range tt.path[1:] {
				got = append(got, dragWay(tt.path[i], to, len(got))...)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("way (-want +got):\n%s", diff)
			}
		})
	}
}

// The server's clock counts milliseconds. Presses that belong apart must not
// carry one time: browsers count them as one, toolkits take them for the
// repetition of a held key.
func TestPressesHaveTimesOfTheirOwn(t *testing.T) {
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	tests := []struct {
		name string
		do   func() error
	}{
		{"triple click", func() error {
			return d.Click(t.Context(), desktop.Click{Button: 1, Count: 3, At: at(60, 60)})
		}},
		{"repeated key", func() error { return d.Key(t.Context(), desktop.Key{Keys: "Down", Repeat: 10}) }},
		{"double letters", func() error { return d.Type(t.Context(), desktop.Type{Text: "mississippii 字字"}) }},
	}
	for _, tt := range tests {
		if err := tt.do(); err != nil {
			t.Fatal(err)
		}
		var last xprobe.Event
		for _, e := range seen(t, d, p) {
			pressed := e.Kind == xprobe.KeyPress || e.Kind == xprobe.ButtonPress
			if pressed && e.Detail == last.Detail && e.Time == last.Time {
				t.Errorf("%s: %d is pressed at the time of its release", tt.name, e.Detail)
			}
			last = e
		}
	}
}
