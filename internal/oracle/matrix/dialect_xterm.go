package matrix

import (
	"slices"
	"strings"

	"github.com/vmette/vmette-mcp/internal/oracle"
)

// xterm tells what a terminal hears: keys as the bytes that they send, which are
// all there is of their text, with their modifiers where bytes have room for
// these; presses and releases of buttons, not what they make together; nothing
// of Super.
type xterm struct{}

var xtermKeys = map[string]string{
	"Return": "\r", "Tab": "\t", "BackSpace": "\x7f", "Escape": "\x1b", "space": " ",
	"Delete": "\x1b[3~", "Page_Down": "\x1b[6~", "F5": "\x1b[15~", "F12": "\x1b[24~",
	"F1": "\x1bOP", "F3": "\x1bOR",
	"Left": "\x1b[D", "Right": "\x1b[C", "Down": "\x1b[B", "Home": "\x1b[H", "End": "\x1b[F",
	"plus": "+", "minus": "-", "question": "?", "less": "<", "comma": ",", "semicolon": ";",
}

func (xterm) key(f finger, _, after []string) []oracle.Event {
	if isModifier(f.key) || f.what == keyUp {
		return nil
	}
	if f.text != "" {
		return characters(strings.ReplaceAll(f.text, "\n", "\r")) // as from the Return key
	}
	name, ok := xtermKeys[f.key]
	if !ok {
		name = f.key
	}
	after = withoutSuper(after)
	switch number := modifierNumber(after); {
	case number == 1:
	case name == "\t" && number == 2:
		name, after = "\x1b[Z", nil
	case strings.HasPrefix(name, "\x1b"):
		// Xterm Control Sequences, "PC-Style Function Keys".
		final := name[len(name)-1:]
		name, after = "\x1b[1;"+string('0'+rune(number))+final, nil
	case number == 2: // the character says it
		after = nil
	}
	return keyEvent(f, name, "", after)
}

// characters are keys that come one by one.
func characters(text string) []oracle.Event {
	var events []oracle.Event
	for _, c := range text {
		events = append(events, oracle.Event{Kind: oracle.KeyDown, Key: string(c)})
	}
	return events
}

// modifierNumber is the parameter that says which modifiers are held: 1 and the
// sum of 1 for Shift, 2 for Alt and 4 for Ctrl.
func modifierNumber(modifiers []string) int {
	n := 1
	for i, name := range []string{"shift", "alt", "ctrl"} {
		if slices.Contains(modifiers, name) {
			n += 1 << i
		}
	}
	return n
}

func withoutSuper(modifiers []string) []string {
	return slices.DeleteFunc(slices.Clone(modifiers), func(m string) bool { return m == "super" })
}

func (xterm) press(e oracle.Event, _ int) []oracle.Event   { return []oracle.Event{e} }
func (xterm) release(e oracle.Event, _ int) []oracle.Event { return []oracle.Event{e} }
func (xterm) turn(e oracle.Event) []oracle.Event           { return []oracle.Event{e} }
func (xterm) held(modifiers []string) []string             { return withoutSuper(modifiers) }

func (xterm) carry(press, release oracle.Event) []oracle.Event { return []oracle.Event{press, release} }

func (xterm) hides(modifiers []string) string {
	if slices.Contains(modifiers, "shift") {
		return selects
	}
	return ""
}
