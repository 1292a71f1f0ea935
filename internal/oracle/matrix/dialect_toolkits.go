package matrix

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/vmette/vmette-mcp/internal/oracle"
)

// gtk tells X11's own words: the modifiers of an event are those before it, and
// characters that are no keysyms of old have a name by their number. A double
// click is told beside its second press.
type gtk struct{}

func (gtk) key(f finger, before, _ []string) []oracle.Event {
	name := f.key
	switch r := characterOf(name); {
	case name == "Tab" && slices.Contains(before, "shift"):
		name = "ISO_Left_Tab"
	case r > unicode.MaxLatin1:
		name = fmt.Sprintf("U+%04X", r)
	case r == 'ß':
		name = "ssharp"
	}
	return keyEvent(f, name, controlled(f.key, before), before)
}

func (gtk) press(e oracle.Event, count int) []oracle.Event {
	switch count {
	case 2:
		return []oracle.Event{e, also(oracle.Double, e)}
	case 3:
		return []oracle.Event{e, also(oracle.Triple, e)}
	}
	return []oracle.Event{e}
}

func (gtk) release(e oracle.Event, _ int) []oracle.Event { return []oracle.Event{e} }
func (gtk) turn(e oracle.Event) []oracle.Event           { return []oracle.Event{e} }
func (gtk) hides([]string) string                        { return "" }
func (gtk) held(m []string) []string                     { return m }

func (gtk) carry(press, release oracle.Event) []oracle.Event {
	return []oracle.Event{press, {Kind: oracle.DragStart}, dropped(release), {Kind: oracle.DragEnd}}
}

// qt tells of the second click of a double click beside its press, and of a
// third as of a first. The modifiers of a key include itself. Keys of other
// characters than Latin-1's are the capital's number. Alt turns the wheel
// sideways.
type qt struct{}

var qtKeys = map[string]string{
	"Shift_L": "Shift", "Control_L": "Control", "Alt_L": "Alt",
	"BackSpace": "Backspace", "Page_Down": "PageDown", "space": "Space",
	"plus": "Plus", "minus": "Minus", "question": "Question", "less": "Less", "comma": "Comma", "semicolon": "Semicolon",
}

func (qt) key(f finger, before, after []string) []oracle.Event {
	name := f.key
	switch r := characterOf(name); {
	case qtKeys[name] != "":
		name = qtKeys[name]
	case len(name) == 1:
		name = strings.ToUpper(name)
	case name == "Tab" && slices.Contains(before, "shift"):
		name = "Backtab"
	case r == 'ß':
		name = "ssharp"
	case r > unicode.MaxLatin1:
		name = fmt.Sprintf("0x%x", unicode.ToUpper(r))
	}
	if f.key == "Super_L" {
		after = before
	}
	return keyEvent(f, name, controlled(f.key, after), after)
}

func (qt) press(e oracle.Event, count int) []oracle.Event {
	if count == 2 {
		return []oracle.Event{e, also(oracle.Double, e)}
	}
	return []oracle.Event{e}
}

func (qt) release(e oracle.Event, _ int) []oracle.Event { return []oracle.Event{e} }
func (qt) hides([]string) string                        { return "" }
func (qt) held(m []string) []string                     { return m }

func (qt) turn(e oracle.Event) []oracle.Event {
	if slices.Contains(e.Modifiers, "alt") {
		e.DX, e.DY = e.DY, e.DX
	}
	return []oracle.Event{e}
}

func (qt) carry(press, release oracle.Event) []oracle.Event {
	return []oracle.Event{press, {Kind: oracle.DragStart}, dropped(release), {Kind: oracle.DragEnd}, release}
}
