package x11

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"

	"github.com/jezek/xgb/xproto"
)

// keysymTable holds the names of X11's keysyms, one "name hexadecimal" a line,
// sorted by name without regard to case. A test compares it with the headers of
// X11.
//
//go:embed keysyms.txt
var keysymTable string

// The keysyms that the driver knows by itself.
const (
	keysymBackSpace = xproto.Keysym(0xff08)
	keysymTab       = xproto.Keysym(0xff09)
	keysymReturn    = xproto.Keysym(0xff0d)
	keysymEscape    = xproto.Keysym(0xff1b)
	keysymShiftL    = xproto.Keysym(0xffe1)
	keysymCapsLock  = xproto.Keysym(0xffe5)
	keysymLevel3    = xproto.Keysym(0xfe03) // AltGr

	keysymUnicode = xproto.Keysym(0x01000000) // plus a code point above Latin-1
)

// keysymOf returns the keysym of a character, and whether it can be typed: a
// control character other than those that a keyboard has a key for cannot.
func keysymOf(r rune) (xproto.Keysym, bool) {
	switch {
	case r == '\n', r == '\r':
		return keysymReturn, true
	case r == '\t':
		return keysymTab, true
	case r == '\b':
		return keysymBackSpace, true
	case r == '\x1b':
		return keysymEscape, true
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return 0, false
	case r < 0x100:
		return xproto.Keysym(r), true
	}
	return keysymUnicode + xproto.Keysym(r), true
}

// keysymNamed returns the keysym of a name, with regard to case if there is one
// that matches so, else without. Of names that differ in case only, such as
// "agrave" and "Agrave", the one in lower case is meant then.
func keysymNamed(name string) (xproto.Keysym, bool) {
	folded := strings.ToLower(name)
	lo, hi := 0, len(keysymTable)
	for lo < hi {
		begin := strings.LastIndexByte(keysymTable[:(lo+hi)/2], '\n') + 1
		end := begin + strings.IndexByte(keysymTable[begin:], '\n')
		key, _, _ := strings.Cut(keysymTable[begin:end], " ")
		if strings.ToLower(key) < folded {
			lo = end + 1
		} else {
			hi = begin
		}
	}
	var found xproto.Keysym
	for line := range strings.Lines(keysymTable[lo:]) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !strings.EqualFold(key, name) {
			break
		}
		n, err := strconv.ParseUint(value, 16, 32)
		if err != nil {
			continue
		}
		if key == name {
			return xproto.Keysym(n), true
		}
		if found == 0 || key == folded {
			found = xproto.Keysym(n)
		}
	}
	return found, found != 0
}

// isModifier reports whether a keysym is a modifier key's.
func isModifier(s xproto.Keysym) bool {
	return s >= keysymShiftL && s <= 0xffee || s == keysymLevel3 || s == 0xff7e // Mode_switch
}

// isKeypad reports whether a keysym is one of the numeric keypad.
func isKeypad(s xproto.Keysym) bool { return s >= 0xff80 && s <= 0xffbd }

// isFunction reports whether a keysym stands for a key and not for a character.
func isFunction(s xproto.Keysym) bool { return s&^0xff == 0xff00 }

// spareKeysyms are those of keys that hardly a keyboard has and that neither
// window managers nor browsers listen to. (A browser looks at the keycode when
// it does not know the keysym, so that text typed with its Back key would make
// it go back.)
var spareKeysyms = []xproto.Keysym{
	0x1008ff07, // MonBrightnessCycle
	0x1008ff36, // Shop
	0x1008ff3c, // Finance
	0x1008ff43, // Launch3
	0x1008ff44, // Launch4
	0x1008ff4b, // LaunchB
	0x1008ff5b, // Documents
	0x1008ff5e, // Game
	0x1008ff5f, // Go
	0x1008ff72, // Reply
	0x1008ff77, // Save
	0x1008ff7b, // Send
	0x1008ff8e, // Messenger
	0x1008ff8f, // WebCam
	0x1008ff90, // MailForward
	0x1008ff93, // Battery
	0x1008ff94, // Bluetooth
	0x1008ff96, // UWB
	0x1008ffb4, // WWAN
	0x1008fe22, // Next_VMode
	0x1008fe23, // Prev_VMode
	0x100810f4, // BrightnessAuto
}

// isSpare reports whether a keysym may make way for a character.
func isSpare(s xproto.Keysym) bool { return slices.Contains(spareKeysyms, s) }
