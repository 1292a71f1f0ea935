package matrix

import (
	"strings"
	"unicode/utf8"

	"github.com/vmette/vmette-mcp/desktop"
)

// finger is one thing that fingers do.
type finger struct {
	what   what
	key    string        // of a key: its X11 name, or the character on it
	text   string        // of Shift and Insert: what was copied
	button int           // of a button: its number
	at     desktop.Point // where the pointer is, or comes to
	to     desktop.Point // where it is carried
	dx, dy int           // of a wheel: notches to the right and down
}

type what int

const (
	keyDown  what = iota
	keyAgain      // a key that is held repeats itself
	keyUp
	buttonDown
	buttonUp
	turn  // the wheel
	move  // the pointer
	carry // what lies at one point is dropped at another, with the left button
	rest  // for so long that the next click is one of its own
)

// keys writes fingers on keys as words: "+Shift_L" goes down, "-Shift_L" comes
// up, "*a" repeats itself, and "a" goes down and comes up.
func keys(words string) []finger {
	var f []finger
	for w := range strings.FieldsSeq(words) {
		switch {
		case len(w) > 1 && w[0] == '+':
			f = append(f, finger{what: keyDown, key: w[1:]})
		case len(w) > 1 && w[0] == '-':
			f = append(f, finger{what: keyUp, key: w[1:]})
		case len(w) > 1 && w[0] == '*':
			f = append(f, finger{what: keyAgain, key: w[1:]})
		default:
			f = append(f, finger{what: keyDown, key: w}, finger{what: keyUp, key: w})
		}
	}
	return f
}

// namedCharacters are those on keys that have another name than them.
var namedCharacters = map[string]rune{
	"space": ' ', "plus": '+', "minus": '-', "question": '?', "less": '<', "comma": ',', "semicolon": ';',
	"Return": '\r', "Tab": '\t', "BackSpace": '\b', "Escape": '\x1b', "Delete": '\x7f',
}

// characterOf returns the character on a key, or 0.
func characterOf(key string) rune {
	if r, size := utf8.DecodeRuneInString(key); size == len(key) {
		return r
	}
	return namedCharacters[key]
}

// pastes are the keys that ask for what was copied.
func pastes(text string) []finger {
	f := keys("+Shift_L Insert -Shift_L")
	f[1].text = text
	return f
}

// around puts fingers between the pressing of modifiers and their release.
func around(modifiers []string, f []finger) []finger {
	var before, after []finger
	for _, m := range modifiers {
		key := map[string]string{"shift": "Shift_L", "ctrl": "Control_L", "alt": "Alt_L", "super": "Super_L"}[m]
		before = append(before, finger{what: keyDown, key: key})
		after = append([]finger{{what: keyUp, key: key}}, after...)
	}
	return append(append(before, f...), after...)
}

func moves(path ...desktop.Point) []finger {
	var f []finger
	for _, p := range path {
		f = append(f, finger{what: move, at: p})
	}
	return f
}

func down(b desktop.Button, at desktop.Point) finger {
	return finger{what: buttonDown, button: int(b), at: at}
}

func up(b desktop.Button, at desktop.Point) finger {
	return finger{what: buttonUp, button: int(b), at: at}
}

func clicks(b desktop.Button, count int, at desktop.Point) []finger {
	var f []finger
	for range count {
		f = append(f, down(b, at), up(b, at))
	}
	return f
}

func carries(from, to desktop.Point) []finger { return []finger{{what: carry, at: from, to: to}} }

func turns(at desktop.Point, dx, dy int) []finger {
	var f []finger
	if dy != 0 {
		f = append(f, finger{what: turn, at: at, dy: dy})
	}
	if dx != 0 {
		f = append(f, finger{what: turn, at: at, dx: dx})
	}
	return f
}

func sequence(parts ...[]finger) []finger {
	var all []finger
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
