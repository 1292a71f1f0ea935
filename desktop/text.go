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

const ellipsis = "…"

// PlainLine makes a foreign text fit to stand in a sentence that a person or a
// model reads, and on a terminal: valid UTF-8 of at most limit bytes (3 or more)
// on one line. What was cut off shows as an ellipsis.
//
// Line ends and tabs become spaces, and bytes that are not UTF-8 become U+FFFD.
// Escape sequences (ECMA-48, 5.3 and 5.4) go as a whole, and so do control and
// format characters (Unicode's Cc and Cf), with which a text could turn the
// direction of what follows, or hide words from a person that a model reads. Of
// Cf, the joiners U+200C and U+200D stay: Persian and the scripts of India
// cannot be spelled without them, and many emoji are made with them.
func PlainLine(s string, limit int) string {
	var b strings.Builder
	b.Grow(min(len(s), limit+utf8.UTFMax))
	for len(s) > 0 && b.Len() <= limit {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == 0x1b:
			n = escapeLen(s)
		case r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029':
			b.WriteByte(' ')
		case r == '\u200c' || r == '\u200d':
			b.WriteRune(r)
		case unicode.In(r, unicode.Cc, unicode.Cf):
		default:
			b.WriteRune(r) // U+FFFD for a byte that is not UTF-8
		}
		s = s[n:]
	}
	return cut(b.String(), limit)
}

// cut shortens s to limit bytes, between two characters, and shows that it did.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := max(0, limit-len(ellipsis))
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// escapeLen returns the length of the escape sequence that s starts with: a
// control sequence up to its final byte, ESC with the byte that it gives a
// meaning to, or ESC alone.
func escapeLen(s string) int {
	switch {
	case len(s) < 2 || s[1] < 0x30 || s[1] > 0x7e:
		return 1
	case s[1] != '[':
		return 2
	}
	for i := 2; i < len(s); i++ {
		if s[i] >= 0x40 && s[i] <= 0x7e {
			return i + 1
		}
		if s[i] < 0x20 || s[i] > 0x7e {
			return i
		}
	}
	return len(s)
}
