package matrix

import (
	"slices"
	"unicode"

	"github.com/vmette/vmette-mcp/internal/oracle"
)

// chromium tells what UI Events and HTML say: a count with each press, a click
// after each release, with the left button a dblclick after the second, a
// context menu with each press of the right one.
type chromium struct{}

// maxDOMKey is the last character that Chromium has a name for when it is a key.
const maxDOMKey = 0xffff

// Pixels that a page is told for a notch of the wheel.
const notch = 120

var domKeys = map[string]string{
	"Shift_L": "Shift", "Control_L": "Control", "Alt_L": "Alt", "Super_L": "Meta",
	"Return": "Enter", "BackSpace": "Backspace", "Left": "ArrowLeft", "Right": "ArrowRight", "Down": "ArrowDown", "Page_Down": "PageDown",
	"space": " ", "plus": "+", "minus": "-", "question": "?", "less": "<", "comma": ",", "semicolon": ";",
}

func (chromium) key(f finger, before, after []string) []oracle.Event {
	name := f.key
	if n, ok := domKeys[name]; ok {
		name = n
	}
	switch {
	case f.key == "Super_L":
		after = before
	case characterOf(f.key) > maxDOMKey && f.what == keyUp:
		name = "\x00"
	case characterOf(f.key) > maxDOMKey:
		name = "Process"
	}
	return keyEvent(f, name, entered(f.key, after), after)
}

// entered is the text that a page is told is about to be entered: of the keys
// that edit, Return alone has some.
func entered(key string, modifiers []string) string {
	if len(modifiers) > 0 && !slices.Equal(modifiers, []string{"shift"}) {
		return ""
	}
	switch r := characterOf(key); {
	case r == '\r':
		return "\n"
	case unicode.IsPrint(r):
		return string(r)
	}
	return ""
}

func (chromium) press(e oracle.Event, count int) []oracle.Event {
	e.Count = count
	if e.Button == 3 {
		return []oracle.Event{e, also(oracle.Menu, e)}
	}
	return []oracle.Event{e}
}

func (chromium) release(e oracle.Event, count int) []oracle.Event {
	e.Count = count
	switch {
	case e.Button != 1:
		return []oracle.Event{e, also(oracle.Aux, e)}
	case count == 2:
		return []oracle.Event{e, also(oracle.Click, e), also(oracle.Double, e)}
	}
	return []oracle.Event{e, also(oracle.Click, e)}
}

func (chromium) turn(e oracle.Event) []oracle.Event {
	e.DX *= notch
	e.DY *= notch
	return []oracle.Event{e}
}

func (chromium) hides([]string) string    { return "" }
func (chromium) held(m []string) []string { return m }

func (chromium) carry(press, release oracle.Event) []oracle.Event {
	press.Count = 1
	return []oracle.Event{press, {Kind: oracle.DragStart}, dropped(release), {Kind: oracle.DragEnd}}
}
