package mcp

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/vmette/vmette-mcp/desktop"
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
func excerpt(raw json.RawMessage) string { return desktop.PlainLine(string(raw), maxExcerpt) }

// quote shows the beginning of a string of the client.
func quote(s string) string { return strconv.Quote(desktop.PlainLine(s, maxExcerpt)) }

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
func plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// plainText is like [desktop.PlainLine] for a text of several lines.
func plainText(s string, limit int) string {
	const more = "…"
	var b strings.Builder
	for line := range strings.Lines(s) {
		room := limit - b.Len() - len("\n"+more)
		if room < len(more) {
			b.WriteString(more)
			break
		}
		line, ended := strings.CutSuffix(line, "\n")
		b.WriteString(desktop.PlainLine(line, room))
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}
