package x11

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// parseChord takes a chord such as "ctrl+shift+t" apart into the keysyms of its
// keys, in order. The spellings of X11, xdotool, Anthropic and Playwright are
// known, without regard to case.
//
// A single character is that character: "A" is Shift and a. In a chord with
// Ctrl, Alt or Super a letter's case means nothing, as people and programs
// write Ctrl+A for what needs no Shift. A plus sign is "plus", or the character
// itself where a key is expected: "+", "ctrl++".
func parseChord(chord string) ([]xproto.Keysym, error) {
	var syms []xproto.Keysym
	for _, name := range splitChord(chord) {
		sym, ok := keyNamed(name)
		if !ok {
			return nil, unknownKey(chord, name)
		}
		syms = append(syms, sym)
	}
	if slices.ContainsFunc(syms, isCommand) {
		for i, s := range syms {
			syms[i] = lowered(s)
		}
	}
	return syms, nil
}

// splitChord splits at plus signs, but not at those that are keys: the first
// character of a key is never a separator.
func splitChord(chord string) []string {
	var names []string
	for {
		_, size := utf8.DecodeRuneInString(chord)
		end := strings.IndexByte(chord[size:], '+')
		if end < 0 {
			return append(names, chord)
		}
		names = append(names, chord[:size+end])
		chord = chord[size+end+1:]
		if chord == "" {
			return append(names, "") // a separator that separates nothing
		}
	}
}

// keyNamed returns the keysym of one key of a chord.
func keyNamed(name string) (xproto.Keysym, bool) {
	if r, size := utf8.DecodeRuneInString(name); size == len(name) && size > 0 {
		return keysymOf(r)
	}
	name = strings.TrimSpace(name)
	if r, size := utf8.DecodeRuneInString(name); size == len(name) && size > 0 {
		return keysymOf(r)
	}
	if alias, ok := keyAliases[folded(name)]; ok {
		return keysymNamed(alias)
	}
	if s, ok := keysymNamed(name); ok {
		return s, s != 0xffffff // VoidSymbol
	}
	if rest, ok := strings.CutPrefix(folded(name), "key"); ok && len(rest) == 1 && rest[0] >= 'a' && rest[0] <= 'z' {
		return xproto.Keysym(rest[0]), true
	}
	if rest, ok := strings.CutPrefix(folded(name), "digit"); ok && len(rest) == 1 && rest[0] >= '0' && rest[0] <= '9' {
		return xproto.Keysym(rest[0]), true
	}
	return 0, false
}

// isCommand reports whether a keysym is a modifier that makes commands of
// letters.
func isCommand(s xproto.Keysym) bool {
	return isModifier(s) && s != keysymShiftL && s != 0xffe2 && s != keysymCapsLock && s != 0xffe6 && s != keysymLevel3 && s != 0xff7e
}

// lowered returns the keysym of the small letter for that of a capital one.
func lowered(s xproto.Keysym) xproto.Keysym {
	switch {
	case s < 0x100:
		return xproto.Keysym(unicode.ToLower(rune(s)))
	case s > keysymUnicode && s <= keysymUnicode+unicode.MaxRune:
		if k, ok := keysymOf(unicode.ToLower(rune(s - keysymUnicode))); ok {
			return k
		}
	}
	return s
}

// folded returns a name as the keys of keyAliases are written.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// keyAliases are the names of keys that are not, or not in all letters, those
// of X11.
var keyAliases = map[string]string{
	"ctrl": "Control_L", "control": "Control_L", "ctl": "Control_L", "controlleft": "Control_L", "controlright": "Control_R",
	"lctrl": "Control_L", "rctrl": "Control_R", "ctrlleft": "Control_L", "ctrlright": "Control_R", "leftctrl": "Control_L", "rightctrl": "Control_R",
	"controlormeta": "Control_L",
	"shift":         "Shift_L", "shiftleft": "Shift_L", "shiftright": "Shift_R", "lshift": "Shift_L", "rshift": "Shift_R", "leftshift": "Shift_L", "rightshift": "Shift_R",
	"alt": "Alt_L", "altleft": "Alt_L", "altright": "Alt_R", "lalt": "Alt_L", "ralt": "Alt_R", "leftalt": "Alt_L", "rightalt": "Alt_R",
	"option": "Alt_L", "opt": "Alt_L", "altgr": "ISO_Level3_Shift", "altgraph": "ISO_Level3_Shift",
	"super": "Super_L", "win": "Super_L", "windows": "Super_L", "cmd": "Super_L", "command": "Super_L", "meta": "Super_L", "os": "Super_L",
	"metaleft": "Super_L", "metaright": "Super_R", "superleft": "Super_L", "superright": "Super_R", "lwin": "Super_L", "rwin": "Super_R",
	"hyper": "Hyper_L",

	"enter": "Return", "return": "Return", "ret": "Return", "cr": "Return", "numpadenter": "KP_Enter", "kpenter": "KP_Enter",
	"esc": "Escape", "escape": "Escape", "tab": "Tab", "backtab": "ISO_Left_Tab",
	"backspace": "BackSpace", "bksp": "BackSpace", "bs": "BackSpace", "back": "BackSpace",
	"delete": "Delete", "del": "Delete", "insert": "Insert", "ins": "Insert",
	"space": "space", "spacebar": "space", "spc": "space",
	"left": "Left", "right": "Right", "up": "Up", "down": "Down",
	"arrowleft": "Left", "arrowright": "Right", "arrowup": "Up", "arrowdown": "Down",
	"leftarrow": "Left", "rightarrow": "Right", "uparrow": "Up", "downarrow": "Down",
	"home": "Home", "end": "End",
	"pageup": "Page_Up", "pgup": "Page_Up", "prior": "Page_Up",
	"pagedown": "Page_Down", "pgdn": "Page_Down", "pgdown": "Page_Down", "next": "Page_Down",
	"capslock": "Caps_Lock", "caps": "Caps_Lock", "numlock": "Num_Lock", "scrolllock": "Scroll_Lock", "scroll": "Scroll_Lock",
	"printscreen": "Print", "prtsc": "Print", "prtscr": "Print", "prntscrn": "Print", "print": "Print",
	"pause": "Pause", "break": "Break", "pausebreak": "Pause",
	"menu": "Menu", "contextmenu": "Menu", "apps": "Menu", "application": "Menu",

	"minus": "minus", "hyphen": "minus", "dash": "minus", "equal": "equal", "equals": "equal", "plus": "plus",
	"comma": "comma", "period": "period", "dot": "period", "semicolon": "semicolon", "colon": "colon",
	"slash": "slash", "backslash": "backslash", "pipe": "bar", "quote": "apostrophe", "singlequote": "apostrophe", "doublequote": "quotedbl",
	"backquote": "grave", "backtick": "grave", "tilde": "asciitilde", "bracketleft": "bracketleft", "bracketright": "bracketright",
	"leftbracket": "bracketleft", "rightbracket": "bracketright", "lessthan": "less", "greaterthan": "greater",
	"hash": "numbersign", "pound": "numbersign", "caret": "asciicircum", "star": "asterisk",
	"exclamation": "exclam", "questionmark": "question",

	"numpad0": "KP_0", "numpad1": "KP_1", "numpad2": "KP_2", "numpad3": "KP_3", "numpad4": "KP_4",
	"numpad5": "KP_5", "numpad6": "KP_6", "numpad7": "KP_7", "numpad8": "KP_8", "numpad9": "KP_9",
	"numpadadd": "KP_Add", "numpadsubtract": "KP_Subtract", "numpadmultiply": "KP_Multiply", "numpaddivide": "KP_Divide",
	"numpaddecimal": "KP_Decimal", "numpadequal": "KP_Equal", "numpadcomma": "KP_Separator",

	"volumeup": "XF86AudioRaiseVolume", "volumedown": "XF86AudioLowerVolume", "volumemute": "XF86AudioMute", "mute": "XF86AudioMute",
	"audiovolumeup": "XF86AudioRaiseVolume", "audiovolumedown": "XF86AudioLowerVolume", "audiovolumemute": "XF86AudioMute",
	"mediaplaypause": "XF86AudioPlay", "mediatracknext": "XF86AudioNext", "mediatrackprevious": "XF86AudioPrev", "mediastop": "XF86AudioStop",
	"browserback": "XF86Back", "browserforward": "XF86Forward", "browserrefresh": "XF86Reload", "browserhome": "XF86HomePage",
}

// unknownKey says which key of a chord does not exist, and what may have been
// meant.
func unknownKey(chord, name string) error {
	if name == "" {
		return desktop.Errorf(desktop.CodeInvalid, `chord %q ends with a separator: name a key after it, such as "ctrl+plus" or "ctrl++" for the plus sign`, chord)
	}
	names := nearestKeys(name)
	if len(names) == 0 {
		return desktop.Errorf(desktop.CodeInvalid, `key %q does not exist: send one character or a key name such as "Return", "Page_Down", "F5", joined by + as in "ctrl+s"; use type for text`, name)
	}
	return desktop.Errorf(desktop.CodeInvalid, "key %q does not exist; the nearest names are %s", name, strings.Join(names, ", "))
}

// nearestKeys returns up to three names of keys that are spelled like name.
func nearestKeys(name string) []string {
	type candidate struct {
		name     string
		distance int
	}
	want := folded(name)
	limit := min(2, len(want)/2)
	var near []candidate
	consider := func(spelling, name string) {
		if abs(len(spelling)-len(want)) > limit {
			return
		}
		if n := editDistance(want, spelling); n <= limit {
			near = append(near, candidate{name, n})
		}
	}
	for alias, name := range keyAliases {
		consider(alias, name)
	}
	for line := range strings.Lines(keysymTable) {
		name, _, _ := strings.Cut(line, " ")
		consider(folded(name), name)
	}
	slices.SortFunc(near, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, c := range near {
		if !slices.Contains(names, c.name) && len(names) < 3 {
			names = append(names, c.name)
		}
	}
	return names
}

func abs(n int) int { return max(n, -n) }

// editDistance returns how many bytes must be inserted, deleted or replaced to
// make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
