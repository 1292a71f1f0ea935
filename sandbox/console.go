package sandbox

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds on what of a guest's console goes into an error.
const (
	consoleTailBytes = 4 << 10
	consoleTailLines = 40
)

// consoleTail returns the end of what a guest wrote to its console, fit to be
// shown on a terminal: bounded, valid UTF-8, one line per line and no control
// characters, so that a guest can neither flood nor forge what it ends up in.
func consoleTail(console []byte) string {
	if len(console) > consoleTailBytes {
		console = console[len(console)-consoleTailBytes:]
		if i := bytes.IndexByte(console, '\n'); i >= 0 {
			console = console[i+1:]
		}
	}
	var lines []string
	for line := range bytes.Lines(console) {
		if l := printable(string(line)); l != "" {
			lines = append(lines, l)
		}
	}
	if len(lines) > consoleTailLines {
		lines = lines[len(lines)-consoleTailLines:]
	}
	return strings.Join(lines, "\n")
}

// printable returns s without escape sequences, control characters and
// trailing spaces.
func printable(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == 0x1b:
			n = escapeLen(s)
		case r == '\t':
			b.WriteByte(' ')
		case r == utf8.RuneError && n == 1:
			b.WriteByte('?')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		}
		s = s[n:]
	}
	return strings.TrimRight(b.String(), " ")
}

// escapeLen returns the length of the escape sequence that s starts with
// (ECMA-48, 5.3 and 5.4): a control sequence up to its final byte, ESC with the
// byte that it gives a meaning to, or ESC alone.
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

// maxGuestPhases bounds how many phases a guest can report.
const maxGuestPhases = 64

// guestPhases reads the phases that the guest agent reports on the console, as
// lines of the form "vmette: phase=NAME ms=MILLISECONDS". The guest is free to
// write anything; what is not of this form is passed over.
func guestPhases(console []byte) []Phase {
	var phases []Phase
	for line := range bytes.Lines(console) {
		if len(phases) == maxGuestPhases {
			break
		}
		_, rest, ok := strings.Cut(printable(string(line)), "vmette: phase=")
		if !ok {
			continue
		}
		name, ms, ok := strings.Cut(rest, " ms=")
		if !ok || !phaseName(name) {
			continue
		}
		n, err := strconv.ParseUint(ms, 10, 31)
		if err != nil {
			continue
		}
		phases = append(phases, Phase{Name: name, Side: GuestSide, At: time.Duration(n) * time.Millisecond})
	}
	return phases
}

func phaseName(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
