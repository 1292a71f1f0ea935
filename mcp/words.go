package mcp

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxExcerpt bounds how much of a wrong argument is shown back, in bytes.
const maxExcerpt = 80

// kind names the type of a JSON value.
func kind(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// describe names the type of a JSON value and shows it.
func describe(raw json.RawMessage) string {
	if kind(raw) == "null" {
		return "null"
	}
	return kind(raw) + ", " + excerpt(raw)
}

// excerpt shows the beginning of a JSON value.
func excerpt(raw json.RawMessage) string { return plainLine(string(raw), maxExcerpt) }

// quote shows the beginning of a string of the client.
func quote(s string) string { return strconv.Quote(plainLine(s, maxExcerpt)) }

// plainLine makes a foreign text fit to stand in a sentence: on one line, no
// longer than limit bytes, without characters that control anything.
func plainLine(s string, limit int) string {
	s = cut(s, limit)
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// cut shortens s to limit bytes, between two characters, and shows that it did.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end := limit - len("…")
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// plainOutput makes the output of a program fit to be read: valid UTF-8 without
// control characters other than newline and tab. dropped says how many there
// were; a carriage return before a newline does not count.
func plainOutput(b []byte) (s string, dropped int) {
	s = strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			dropped++
			return -1
		}
		return r
	}, s)
	return s, dropped
}

// plural returns "1 notch" or "3 notches".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// plainText is like plainLine for a text of several lines.
func plainText(s string, limit int) string {
	s, _ = plainOutput([]byte(cut(s, limit)))
	return s
}
