package matrix

import (
	"slices"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// dialect is how an application tells of what fingers do.
type dialect interface {
	// key tells of a key, or nothing. before are the modifiers that were held
	// when it moved, after those that are now.
	key(f finger, before, after []string) []oracle.Event
	// press and release tell of a button, for the count-th time in a row.
	press(e oracle.Event, count int) []oracle.Event
	release(e oracle.Event, count int) []oracle.Event
	// turn tells of the wheel, with the notches in e.
	turn(e oracle.Event) []oracle.Event
	// carry tells of something dragged, from the press to the release.
	carry(press, release oracle.Event) []oracle.Event
	// held returns those of some modifiers that the application is told of with
	// the mouse.
	held([]string) []string
	// hides says why the application does not see the mouse with these
	// modifiers, or is "".
	hides(modifiers []string) string
}

var dialects = map[oracle.Application]dialect{
	oracle.Chromium: chromium{}, oracle.GTK: gtk{}, oracle.Qt: qt{}, oracle.Xterm: xterm{},
}

// Reasons why an application does not see all of a cell.
const (
	managed = "openbox, the window manager, keeps Alt with the left button for moving windows"
	selects = "xterm keeps the mouse with Shift for selecting text"
	nothing = "a terminal hears of characters: not of modifiers alone"
	noName  = "Chromium enters characters beyond U+FFFF and has no name for their keys"
	noCargo = "xterm has nothing to drag: it sees the press and the release"
)

// modifierNames are the modifiers in the order of [oracle.Event], by the keys
// that they are on.
var modifierNames = []struct{ key, name string }{
	{"Shift_L", "shift"}, {"Control_L", "ctrl"}, {"Alt_L", "alt"}, {"Super_L", "super"},
}

func isModifier(key string) bool {
	return slices.ContainsFunc(modifierNames, func(m struct{ key, name string }) bool { return m.key == key })
}

// narrator follows fingers and puts what they do into a dialect.
type narrator struct {
	dialect
	down   map[string]bool // keys
	clicks int             // in a row
	last   finger          // of a button
	seized bool            // the mouse belongs to the window manager until a release
	events []oracle.Event
	reason string
}

// tell returns what an application must report of fingers, and why that is not
// all, if it is not.
func tell(kind oracle.Application, fingers []finger) ([]oracle.Event, string) {
	n := narrator{dialect: dialects[kind], down: make(map[string]bool)}
	for _, f := range fingers {
		n.finger(f)
	}
	if len(n.events) == 0 && len(fingers) > 0 && n.reason == "" {
		n.reason = nothing
	}
	return n.events, n.reason
}

// modifiers are those that are held.
func (n *narrator) modifiers() []string {
	var names []string
	for _, m := range modifierNames {
		if n.down[m.key] {
			names = append(names, m.name)
		}
	}
	return names
}

func (n *narrator) finger(f finger) {
	switch f.what {
	case keyDown, keyAgain, keyUp:
		before := n.modifiers()
		n.down[f.key] = f.what != keyUp
		n.say(n.key(f, before, n.modifiers()))
		if _, ok := n.dialect.(chromium); ok && characterOf(f.key) > maxDOMKey {
			n.reason = noName
		}
	case buttonDown:
		if again := f.button == n.last.button && f.at == n.last.at && n.last.what == buttonUp; !again {
			n.clicks = 0
		}
		n.clicks++
		n.last = f
		if n.seized = f.button == 1 && n.down["Alt_L"]; !n.hidden() {
			n.say(n.press(n.mouse(oracle.Press, f.button, f.at), n.clicks))
		}
	case buttonUp:
		n.last = f
		if !n.hidden() {
			n.say(n.release(n.mouse(oracle.Release, f.button, f.at), n.clicks))
		}
		n.seized = false
	case turn:
		if !n.hidden() {
			e := n.mouse(oracle.Wheel, 0, f.at)
			e.DX, e.DY = float64(f.dx), float64(f.dy)
			n.say(n.turn(e))
		}
	case move:
		if !n.hidden() {
			n.say([]oracle.Event{n.mouse(oracle.Motion, 0, f.at)})
		}
	case rest:
		n.last, n.clicks = finger{}, 0
	case carry:
		if n.hidden() {
			break
		}
		n.say(n.carry(n.mouse(oracle.Press, 1, f.at), n.mouse(oracle.Release, 1, f.to)))
		if _, ok := n.dialect.(xterm); ok {
			n.reason = noCargo
		}
	}
}

// hidden reports whether somebody keeps the mouse for himself, and notes who.
func (n *narrator) hidden() bool {
	why := n.hides(n.modifiers())
	if n.seized {
		why = managed
	}
	if why != "" {
		n.reason = why
	}
	return why != ""
}

func (n *narrator) mouse(kind oracle.Kind, button int, at desktop.Point) oracle.Event {
	return oracle.Event{Kind: kind, Button: button, X: float64(at.X), Y: float64(at.Y), Modifiers: n.held(n.modifiers())}
}

func (n *narrator) say(e []oracle.Event) { n.events = append(n.events, e...) }

// also returns e with another kind.
func also(kind oracle.Kind, e oracle.Event) oracle.Event {
	e.Kind = kind
	return e
}

// keyEvent is a key with its name and modifiers, and with its text when it is
// pressed.
func keyEvent(f finger, name, text string, modifiers []string) []oracle.Event {
	e := oracle.Event{Kind: oracle.KeyDown, Key: name, Typed: text, Modifiers: modifiers, Repeat: f.what == keyAgain}
	if f.what == keyUp {
		e.Kind, e.Typed = oracle.KeyUp, ""
	}
	return []oracle.Event{e}
}

// controlled is the text of a key in X11: its character, or with Ctrl the
// control character that it stands for (X Keyboard Extension, "Control
// Modifier"). With Shift, Tab is another key, which has none.
func controlled(key string, modifiers []string) string {
	r := characterOf(key)
	switch ctrl := slices.Contains(modifiers, "ctrl"); {
	case r == 0, r == '\t' && slices.Contains(modifiers, "shift"):
		return ""
	case ctrl && (r >= '@' && r < 0x7f || r == ' '):
		r &= 0x1f
	}
	return string(r)
}

// dropped is what the target of release gets.
func dropped(release oracle.Event) oracle.Event {
	return oracle.Event{Kind: oracle.Drop, X: release.X, Y: release.Y, Data: oracle.Cargo}
}
