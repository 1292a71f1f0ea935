package x11

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/xprobe"
)

// keymapOf returns the whole keymap as the server describes it to XKB's own
// tools.
func keymapOf(t *testing.T, s *x11test.Server) string {
	t.Helper()
	out, err := exec.Command("xkbcomp", "-w", "0", s.Display, "-").Output()
	if err != nil {
		t.Fatalf("xkbcomp: %v", err)
	}
	return string(out)
}

func TestCloseGivesTheKeymapBack(t *testing.T) {
	eachServer(t, func(t *testing.T, s *x11test.Server) {
		// The server forgets what XKB knew beyond the core protocol of the
		// keys that have been written once; so the comparison starts there.
		newPainter(t, s.Display) // takes the text
		first := open(t, s.Display, Options{})
		if err := first.Type(t.Context(), desktop.Type{Text: cjk(100)}); err != nil {
			t.Fatal(err)
		}
		first.Close()
		before := keymapOf(t, s)

		d := open(t, s.Display, Options{})
		if err := d.Type(t.Context(), desktop.Type{Text: cjk(100)}); err != nil {
			t.Fatal(err)
		}
		if keymapOf(t, s) == before {
			t.Error("the keymap is the same while Chinese is typed: the comparison is blind")
		}
		d.Close()
		if diff := cmp.Diff(before, keymapOf(t, s)); diff != "" {
			t.Errorf("keymap after Close (-before +after):\n%s", diff)
		}
	})
}

// Only scratch keys may change their meaning, not those between them.
func TestTypingLeavesOtherKeysAlone(t *testing.T) {
	d, s := startDisplay(t)
	ctx := t.Context()
	if err := d.Key(ctx, desktop.Key{Keys: "shift"}); err != nil {
		t.Fatal(err)
	}
	scratch := slices.Clone(d.input.keys.scratch)
	if len(scratch) < 20 {
		t.Errorf("there are %d scratch keycodes, want 20 and more for long texts", len(scratch))
	}
	p := newPainter(t, s.Display)
	table := func() *xproto.GetKeyboardMappingReply {
		r, err := xproto.GetKeyboardMapping(p.conn, 8, 248).Reply()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := table()
	if err := d.Type(ctx, desktop.Type{Text: cjk(500)}); err != nil {
		t.Fatal(err)
	}
	after := table()
	if before.KeysymsPerKeycode != after.KeysymsPerKeycode {
		t.Fatalf("a key has %d keysyms now, before %d", after.KeysymsPerKeycode, before.KeysymsPerKeycode)
	}
	width := int(before.KeysymsPerKeycode)
	for code := 8; code < 256; code++ {
		i := (code - 8) * width
		was, is := before.Keysyms[i:i+width], after.Keysyms[i:i+width]
		if !slices.Contains(scratch, byte(code)) && !slices.Equal(was, is) {
			t.Errorf("key %d meant %x and means %x now", code, was, is)
		}
	}
}

// A second text of the same characters must cost no change of the keymap.
func TestKnownCharactersStay(t *testing.T) {
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	for i := range 2 {
		if err := d.Type(t.Context(), desktop.Type{Text: "漢字かな"}); err != nil {
			t.Fatal(err)
		}
		changed := slices.ContainsFunc(seen(t, d, p), func(e xprobe.Event) bool { return e.Kind == xprobe.Mapping })
		if changed != (i == 0) {
			t.Errorf("text %d changed the keymap: %v", i+1, changed)
		}
	}
}

// The change of the layout by someone else is noticed.
func TestKeymapOfAnotherLayout(t *testing.T) {
	d, s := startDisplay(t)
	p := probe(t, s, xprobe.Options{})
	for _, layout := range []string{"us", "de", "fr", "ru", "us"} {
		if out, err := exec.Command("setxkbmap", "-display", s.Display, layout).CombinedOutput(); err != nil {
			t.Fatalf("setxkbmap %s: %v\n%s", layout, err, out)
		}
		seen(t, d, p)
		const text = "zyZY@{\\я字"
		if err := d.Type(t.Context(), desktop.Type{Text: text}); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, e := range seen(t, d, p) {
			if e.Kind == xprobe.KeyPress && !isModifier(xproto.Keysym(e.Keysym)) {
				got.WriteRune(runeOf(xproto.Keysym(e.Keysym)))
			}
		}
		if diff := cmp.Diff(text, got.String()); diff != "" {
			t.Errorf("with layout %s (-want +got):\n%s", layout, diff)
		}
	}
}

// runeOf returns the character of a keysym of this test.
func runeOf(s xproto.Keysym) rune {
	switch {
	case s == 0x6d1: // Cyrillic_ya
		return 'я'
	case s > keysymUnicode:
		return rune(s - keysymUnicode)
	}
	return rune(s)
}

// An agent that died leaves its characters behind; the next one takes the
// keycodes over.
func TestScratchKeysOfADeadAgent(t *testing.T) {
	s := x11test.Start(t, testScreen)
	newPainter(t, s.Display) // takes the text
	first := open(t, s.Display, Options{})
	if err := first.Type(t.Context(), desktop.Type{Text: cjk(200)}); err != nil {
		t.Fatal(err)
	}
	first.wire.end(errors.New("the agent died")) // without a farewell
	<-first.Done()
	second := open(t, s.Display, Options{})
	if err := second.Type(t.Context(), desktop.Type{Text: "ok"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.input.keys.scratch, second.input.keys.scratch); diff != "" {
		t.Errorf("scratch keycodes (-first +second):\n%s", diff)
	}
}

func TestOneLevel(t *testing.T) {
	tests := []struct {
		row  []xproto.Keysym
		want bool
	}{
		{[]xproto.Keysym{0, 0, 0, 0, 0, 0, 0}, true},
		{[]xproto.Keysym{5, 0, 5, 0, 0, 0, 0}, true},
		{[]xproto.Keysym{5, 5, 5, 5, 0, 0, 0}, true},
		{[]xproto.Keysym{5, 6, 5, 6, 0, 0, 0}, false},
		{[]xproto.Keysym{0, 6, 0, 6, 0, 0, 0}, false},
		{[]xproto.Keysym{5, 5, 5, 5, 5, 5, 9}, false},
	}
	for _, tt := range tests {
		if got := oneLevel(tt.row); got != tt.want {
			t.Errorf("%v has one level: %v, want %v", tt.row, got, tt.want)
		}
	}
}
