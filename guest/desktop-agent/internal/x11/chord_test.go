package x11

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

func TestParseChord(t *testing.T) {
	tests := []struct {
		chord string
		want  string // names of keysyms
	}{
		// One key, in the spellings of everyone.
		{"Return", "Return"}, {"return", "Return"}, {"ENTER", "Return"}, {"KP_Enter", "KP_Enter"}, {"NumpadEnter", "KP_Enter"},
		{"esc", "Escape"}, {"Escape", "Escape"}, {"BackSpace", "BackSpace"}, {"Backspace", "BackSpace"}, {"del", "Delete"},
		{"Page_Down", "Next"}, {"PageDown", "Next"}, {"page down", "Next"}, {"pgdn", "Next"}, {"Next", "Next"}, {"PageUp", "Page_Up"},
		{"ArrowLeft", "Left"}, {"left", "Left"}, {"Left", "Left"}, {"space", "space"}, {" ", "space"},
		{"F1", "F1"}, {"f12", "F12"}, {"F35", "F35"}, {"PrintScreen", "Print"}, {"caps_lock", "Caps_Lock"}, {"CapsLock", "Caps_Lock"},
		{"KP_7", "KP_7"}, {"Numpad7", "KP_7"}, {"KP_Add", "KP_Add"}, {"minus", "minus"}, {"XF86AudioPlay", "XF86AudioPlay"},
		{"Super_L", "Super_L"}, {"cmd", "Super_L"}, {"win", "Super_L"}, {"meta", "Super_L"}, {"Meta_L", "Meta_L"}, {"MetaLeft", "Super_L"},
		{"ContextMenu", "Menu"}, {"KeyA", "a"}, {"Digit5", "5"}, {"BracketLeft", "bracketleft"}, {"Quote", "apostrophe"},

		// One character.
		{"a", "a"}, {"A", "A"}, {"?", "question"}, {"é", "eacute"}, {"Ж", "Ж"}, {"字", "字"}, {"-", "minus"}, {"\n", "Return"}, {"\t", "Tab"},
		{"agrave", "agrave"}, {"Agrave", "Agrave"}, {"AGRAVE", "agrave"}, {"EuroSign", "EuroSign"},

		// Chords, and the plus sign in all of its forms.
		{"ctrl+s", "Control_L s"}, {"Control+Shift+T", "Control_L Shift_L t"}, {"ctrl+S", "Control_L s"}, {"shift+S", "Shift_L S"},
		{"alt+F4", "Alt_L F4"}, {"ctl+alt+del", "Control_L Alt_L Delete"}, {"control_r+x", "Control_R x"}, {"ctrl + c", "Control_L c"},
		{"+", "plus"}, {"plus", "plus"}, {"ctrl++", "Control_L plus"}, {"ctrl+plus", "Control_L plus"}, {"++a", "plus a"}, {"ctrl+shift++", "Control_L Shift_L plus"},
		{"Control+Shift+KeyT", "Control_L Shift_L t"}, {"Meta+ArrowLeft", "Super_L Left"}, {"ControlOrMeta+Digit1", "Control_L 1"}, {"Shift+Digit1", "Shift_L 1"},
		{"CTRL+PLUS", "Control_L plus"}, {"super", "Super_L"}, {"Super_L+d", "Super_L d"}, {"ctrl+Prior", "Control_L Page_Up"}, {"ctrl+?", "Control_L question"},
		{"shift+!", "Shift_L exclam"}, {"ALT+f4", "Alt_L F4"}, {"Alt+Backquote", "Alt_L grave"}, {"ctrl+KP_Add", "Control_L KP_Add"}, {"ctrl+-", "Control_L minus"},
		{"ctrl", "Control_L"}, {"a+b", "a b"}, {"AltGr+q", "ISO_Level3_Shift q"}, {"ctrl+Ж", "Control_L ж"},
	}
	for _, tt := range tests {
		syms, err := parseChord(tt.chord)
		if err != nil {
			t.Errorf("%q: %v", tt.chord, err)
			continue
		}
		var names []string
		for _, s := range syms {
			names = append(names, keyName(uint32(s)))
		}
		if diff := cmp.Diff(tt.want, strings.Join(names, " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.chord, diff)
		}
	}
}

func TestParseChordSaysWhatMayBeMeant(t *testing.T) {
	tests := []struct{ chord, want string }{
		{"Retrun", "the nearest names are Return"},
		{"ctrl+Pagedwn", "Page_Down"},
		{"Escpae", "Escape"},
		{"ctlr+c", `key "ctlr" does not exist`},
		{"ctrl+", `"ctrl+plus" or "ctrl++"`},
		{"hello world", "use type for text"},
		{"ctrl-c", `key "ctrl-c" does not exist`},
		{"\x01", "does not exist"},
		{"VoidSymbol", "does not exist"},
	}
	for _, tt := range tests {
		_, err := parseChord(tt.chord)
		var e *desktop.Error
		if !errors.As(err, &e) || e.Code != desktop.CodeInvalid || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%q: got error %v, want it to say %q", tt.chord, err, tt.want)
		}
	}
}

// Every alias must lead to a keysym.
func TestKeyAliases(t *testing.T) {
	for alias, name := range keyAliases {
		if _, ok := keysymNamed(name); !ok {
			t.Errorf("%s stands for %s, which is no keysym", alias, name)
		}
		if folded(alias) != alias {
			t.Errorf("%s can never be found: write it %s", alias, folded(alias))
		}
	}
}

func FuzzParseChord(f *testing.F) {
	for _, s := range []string{"ctrl+s", "+", "ctrl++", "++", "a+", "é", "\xff", "ctrl+\xff+", "shift+A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, chord string) {
		if len(chord) > desktop.MaxChord {
			return
		}
		syms, err := parseChord(chord)
		if err != nil {
			var e *desktop.Error
			if !errors.As(err, &e) || e.Code != desktop.CodeInvalid {
				t.Errorf("%q: error %v is not an invalid action", chord, err)
			}
			return
		}
		if len(syms) == 0 || len(syms) > strings.Count(chord, "+")+1 {
			t.Errorf("%q: %d keys", chord, len(syms))
		}
		for _, s := range syms {
			if s == 0 || s == xproto.Keysym(0xffffff) {
				t.Errorf("%q: keysym %x is no key", chord, s)
			}
		}
	})
}
