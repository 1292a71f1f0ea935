package desktop

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPlainLine(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"plain", "the X server was restarted", "the X server was restarted"},
		{"lines and tabs", "a\nb\tc\r\nd\u2028e\u2029f", "a b c d e f"},
		{"controls", "a\x00\x07\x7f\u0085b", "ab"},
		{"colours", "\x1b[1;31mred\x1b[0m", "red"},
		{"cut escape sequence", "red\x1b[3", "red"},
		{"escape alone", "a\x1b", "a"},
		{"escape and no byte of its", "a\x1b\u00e9", "a\u00e9"},
		{"reset and cursor movement", "\x1bc\x1b[?7l\x1b[2Jx", "x"},
		{"bidirectional override and isolate", "a\u202eb\u2066c\u2069", "abc"},
		{"hidden words", "a\U000e0068\U000e0069\u200b\u00ad\ufeffb", "ab"},
		{"Persian and emoji", "می\u200cخواهم \U0001f468\u200d\U0001f469", "می\u200cخواهم \U0001f468\u200d\U0001f469"},
		{"not UTF-8", "a\xff\xc3b", "a\ufffd\ufffdb"},
		{"just within", strings.Repeat("a", 40), strings.Repeat("a", 40)},
		{"too long", strings.Repeat("a", 41), strings.Repeat("a", 37) + "…"},
		{"cut between characters", strings.Repeat("é", 21), strings.Repeat("é", 18) + "…"},
		{"long for what is dropped", strings.Repeat("\x00", 100) + "a", "a"},
	} {
		if got := PlainLine(tt.text, 40); got != tt.want {
			t.Errorf("%s: %q became %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}

func FuzzPlainLine(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\r\n\u202e\xff", uint8(4))
	f.Fuzz(func(t *testing.T, text string, n uint8) {
		limit := max(3, int(n))
		got := PlainLine(text, limit)
		if len(got) > limit || !utf8.ValidString(got) {
			t.Errorf("%q became %q, which is not UTF-8 of %d bytes", text, got, limit)
		}
		for _, r := range got {
			if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && r != '\u200c' && r != '\u200d' {
				t.Errorf("%q became %q, which holds %U", text, got, r)
			}
		}
		if again := PlainLine(got, limit); again != got {
			t.Errorf("%q became %q, and that %q", text, got, again)
		}
	})
}
