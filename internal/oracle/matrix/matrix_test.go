package matrix

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

var update = flag.Bool("update", false, "write the matrix into docs/actions.md")

// Every input action is done to every application, or says why not.
func TestEveryInputActionHasACell(t *testing.T) {
	done := make(map[string]bool)
	for _, c := range Cells() {
		if err := (desktop.Batch{Actions: steps(c)}).Validate(); err != nil {
			t.Errorf("%s %s: %v", c.Action, c.Name, err)
		}
		for _, a := range c.Do {
			done[a.Name()] = true
		}
		if len(c.want) == 0 {
			t.Errorf("%s %s expects nothing of anybody", c.Action, c.Name)
		}
		if !slices.ContainsFunc(c.Do, func(a desktop.Action) bool { return a.Name() == c.Action }) {
			t.Errorf("%s %s does something else", c.Action, c.Name)
		}
	}
	for _, s := range desktop.Actions {
		switch why := elsewhere[s.Name]; {
		case s.Input && !done[s.Name] && why == "":
			t.Errorf("no cell does %s: add one to Cells, or a reason to elsewhere", s.Name)
		case why != "" && (done[s.Name] || !s.Input):
			t.Errorf("%s is done, or is no input: remove it from elsewhere", s.Name)
		}
	}
}

// steps are the actions of a cell, those of a batch by themselves.
func steps(c Cell) []desktop.Step {
	var all []desktop.Step
	for _, a := range c.Do {
		if b, ok := a.(desktop.Batch); ok {
			all = append(all, b.Actions...)
			continue
		}
		all = append(all, desktop.Step{Action: a})
	}
	return all
}

func TestNamesTellCellsApart(t *testing.T) {
	had := make(map[string]bool)
	for _, c := range Cells() {
		if name := c.Action + " " + c.Name; had[name] {
			t.Errorf("there are two cells %q", name)
		} else {
			had[name] = true
		}
	}
}

// A third is about a third, and does everything.
func TestThird(t *testing.T) {
	all, some := Cells(), Third(Cells())
	if n := len(some); n < len(all)/4 || n > len(all)/2 {
		t.Errorf("%d of %d cells are no third", n, len(all))
	}
	if a, b := len(byAction(all)), len(byAction(some)); a != b {
		t.Errorf("%d of %d actions are done", b, a)
	}
}

// What applications say of the same fingers.
func TestDialects(t *testing.T) {
	at := desktop.Point{X: 3, Y: 4}
	tests := []struct {
		name    string
		fingers []finger
		want    map[oracle.Application][]string
	}{
		{
			"chord", keys("+Control_L a -Control_L"), map[oracle.Application][]string{
				oracle.Chromium: {"keydown Control ctrl", "keydown a ctrl", "keyup a ctrl", "keyup Control"},
				oracle.GTK:      {"keydown Control_L", `keydown a "\x01" ctrl`, "keyup a ctrl", "keyup Control_L ctrl"},
				oracle.Qt:       {"keydown Control ctrl", `keydown A "\x01" ctrl`, "keyup A ctrl", "keyup Control"},
				oracle.Xterm:    {"keydown a ctrl"},
			},
		},
		{
			"text", keys("+Shift_L A -Shift_L Return ß Ж 🎉"), map[oracle.Application][]string{
				oracle.Chromium: {
					"keydown Shift shift", `keydown A "A" shift`, "keyup A shift", "keyup Shift", `keydown Enter "\n"`, "keyup Enter",
					`keydown ß "ß"`, "keyup ß", `keydown Ж "Ж"`, "keyup Ж", `keydown Process "🎉"`, "keyup \x00",
				},
				oracle.GTK: {
					"keydown Shift_L", `keydown A "A" shift`, "keyup A shift", "keyup Shift_L shift", `keydown Return "\r"`, "keyup Return",
					`keydown ssharp "ß"`, "keyup ssharp", `keydown U+0416 "Ж"`, "keyup U+0416", `keydown U+1F389 "🎉"`, "keyup U+1F389",
				},
				oracle.Qt: {
					"keydown Shift shift", `keydown A "A" shift`, "keyup A shift", "keyup Shift", `keydown Return "\r"`, "keyup Return",
					`keydown ssharp "ß"`, "keyup ssharp", `keydown 0x416 "Ж"`, "keyup 0x416", `keydown 0x1f389 "🎉"`, "keyup 0x1f389",
				},
				oracle.Xterm: {"keydown A", "keydown \r", "keydown ß", "keydown Ж", "keydown 🎉"},
			},
		},
		{
			"double click", clicks(desktop.Left, 2, at), map[oracle.Application][]string{
				oracle.Chromium: {
					"press1x1@3,4", "release1x1@3,4", "click1x1@3,4",
					"press1x2@3,4", "release1x2@3,4", "click1x2@3,4", "double1x2@3,4",
				},
				oracle.GTK:   {"press1@3,4", "release1@3,4", "press1@3,4", "double1@3,4", "release1@3,4"},
				oracle.Qt:    {"press1@3,4", "release1@3,4", "press1@3,4", "double1@3,4", "release1@3,4"},
				oracle.Xterm: {"press1@3,4", "release1@3,4", "press1@3,4", "release1@3,4"},
			},
		},
		{
			"wheel with Alt", around([]string{"alt"}, turns(at, 0, 2)), map[oracle.Application][]string{
				oracle.Chromium: {"keydown Alt alt", "keyup Alt", "wheel@3,4 by 0,240 alt"},
				oracle.GTK:      {"keydown Alt_L", "wheel@3,4 by 0,2 alt", "keyup Alt_L alt"},
				oracle.Qt:       {"keydown Alt alt", "wheel@3,4 by 2,0 alt", "keyup Alt"},
				oracle.Xterm:    {"wheel@3,4 by 0,2 alt"},
			},
		},
	}
	for _, tt := range tests {
		for _, kind := range oracle.Applications {
			events, _ := tell(kind, tt.fingers)
			got := newEar(kind, Cell{}, events, 0).words(events)
			if diff := cmp.Diff(tt.want[kind], got); diff != "" {
				t.Errorf("%s in %s (-want +got):\n%s", tt.name, kind, diff)
			}
		}
	}
}

// Whatever is seen beside what is wanted is heard.
func TestEarHearsWhatIsTooMuch(t *testing.T) {
	at := desktop.Point{X: 3, Y: 4}
	want, _ := tell(oracle.GTK, sequence(moves(at), clicks(desktop.Left, 1, at)))
	ear := newEar(oracle.GTK, Cell{}, want, 0)
	passing := oracle.Event{Kind: oracle.Motion, X: 1, Y: 2}
	if diff := cmp.Diff(ear.words(want), ear.words(append([]oracle.Event{passing}, want...))); diff != "" {
		t.Errorf("the pointer's way is heard:\n%s", diff)
	}
	for _, e := range []oracle.Event{
		{Kind: oracle.Release, Button: 1, X: 3, Y: 4}, {Kind: oracle.KeyDown, Key: "Shift_L"}, {Kind: oracle.Wheel, DY: 1}, {Kind: oracle.Drop}, {Kind: oracle.Closed},
	} {
		if cmp.Equal(ear.words(want), ear.words(append(want, e))) {
			t.Errorf("nobody hears %v", e)
		}
		if err := surplus([]oracle.Event{passing, e}); err == nil {
			t.Errorf("nobody hears %v when it comes late", e)
		}
	}
	if err := surplus([]oracle.Event{passing, {Kind: oracle.Fence}}); err != nil {
		t.Errorf("the pointer's way: %v", err)
	}
}

// What a key types is compared, not its name alone.
func TestEarHearsTexts(t *testing.T) {
	want, _ := tell(oracle.Qt, keys("a"))
	other := slices.Clone(want)
	other[0].Typed = "b"
	ear := newEar(oracle.Qt, Cell{}, want, 0)
	if cmp.Equal(ear.words(want), ear.words(other)) {
		t.Error("nobody hears another text")
	}
}

// A tally counts what was seen and nothing else.
func TestTally(t *testing.T) {
	cells := moveCells()
	tally := NewTally(cells)
	row := func(chromium, gtk, qt, xterm int) string {
		return fmt.Sprintf("| `move` | %d | %d | %d | %d | %d |\n", len(cells), chromium, gtk, qt, xterm)
	}
	if got, want := tally.table(), row(0, 0, 0, 0); !strings.Contains(got, want) {
		t.Errorf("before anything was seen the table has no %q:\n%s", want, got)
	}
	tally.add(oracle.Qt, cells[0])
	tally.add(oracle.Qt, cells[1])
	tally.add(oracle.Xterm, cells[0])
	if got, want := tally.table(), row(0, 0, 2, 1); !strings.Contains(got, want) {
		t.Errorf("the table has no %q:\n%s", want, got)
	}
}

// A key repeats itself when it is held for long, and not else.
func TestEarHearsRepetitions(t *testing.T) {
	down, up := oracle.Event{Kind: oracle.KeyDown, Key: "q", Typed: "q"}, oracle.Event{Kind: oracle.KeyUp, Key: "q"}
	repetition := down
	repetition.Repeat = true
	press := desktop.KeyDown{}.Name()
	tests := []struct {
		name   string
		action string
		keys   string // that are wanted
		seen   []oracle.Event
		took   time.Duration
		heard  bool // as something else than what is wanted
	}{
		{"held for long", press, "q", []oracle.Event{down, repetition, repetition, up}, repeatDelay, false},
		{"as xterm tells it", press, "q", []oracle.Event{down, down, down, up}, repeatDelay, false},
		{"released and pressed", press, "q", []oracle.Event{down, up, down, up}, repeatDelay, false},
		{"not at all", press, "q", []oracle.Event{down, up}, repeatDelay, false},
		{"held shortly", press, "q", []oracle.Event{down, repetition, up}, repeatDelay - 1, true},
		{"by another action", desktop.Key{}.Name(), "q", []oracle.Event{down, repetition, up}, repeatDelay, true},
		{"wanted", press, "+q *q -q", []oracle.Event{down, repetition, repetition, up}, repeatDelay, false},
		{"wanted in vain", press, "+q *q -q", []oracle.Event{down, up}, repeatDelay, true},
	}
	for _, tt := range tests {
		want, _ := tell(oracle.GTK, keys(tt.keys))
		ear := newEar(oracle.GTK, Cell{Action: tt.action}, want, tt.took)
		if got := ear.words(tt.seen); !cmp.Equal(ear.words(want), got) != tt.heard {
			t.Errorf("%s: heard %q", tt.name, got)
		}
	}
}

// The matrix is kept in the page of the actions.
func TestPage(t *testing.T) {
	const page = "../../../docs/actions.md"
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, got, _ := bytes.Cut(old, []byte(Marker))
	want := []byte(Page())
	if *update {
		if err := os.WriteFile(page, append(before, want...), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), Marker+string(got)); diff != "" {
		t.Errorf("%s is not up to date (-want +got), run the test with -update:\n%s", page, diff)
	}
}
