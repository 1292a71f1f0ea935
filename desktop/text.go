package desktop

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of the text of a guest that goes up to people and models.
const (
	maxMessage = 4096 // bytes of an error message or a notice
	maxNotices = 16
)

// clean makes a text of the peer fit to be shown: no longer than limit bytes,
// on one line, and without characters that control a terminal or turn the
// direction of what follows.
func clean(s string, limit int) string {
	if len(s) > limit {
		cut := limit - len("…")
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s)
}
