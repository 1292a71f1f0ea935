package sandbox

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Bounds on what of a guest's console goes into an error.
const (
	consoleTailBytes = 4 << 10
	consoleTailLines = 40
)

// kernelPanic begins the line in which Linux says why it panics
// (kernel/panic.c). What it writes after that may be longer than a tail.
const kernelPanic = "Kernel panic - not syncing"

// consoleTail returns the end of what a guest wrote to its console, or of a
// guest that panicked the beginning of what it says of that. It is fit to be
// shown on a terminal: bounded, valid UTF-8, one line per line and no control
// characters, so that a guest can neither flood nor forge what it ends up in.
func consoleTail(console []byte) string {
	if i := bytes.LastIndex(console, []byte(kernelPanic)); i >= 0 {
		console = firstLines(console[i:])
	}
	if len(console) > consoleTailBytes {
		console = console[len(console)-consoleTailBytes:]
		if i := bytes.IndexByte(console, '\n'); i >= 0 {
			console = console[i+1:]
		}
	}
	var lines []string
	for line := range bytes.Lines(console) {
		if l := printable(line); l != "" {
			lines = append(lines, l)
		}
	}
	// What is not UTF-8 takes more room once it is fit to be shown.
	first, room := len(lines), consoleTailBytes
	for first > 0 && len(lines)-first < consoleTailLines && len(lines[first-1]) <= room {
		first--
		room -= len(lines[first]) + len("\n")
	}
	return strings.Join(lines[first:], "\n")
}

// firstLines returns what of a console's beginning goes into a tail.
func firstLines(console []byte) []byte {
	console = console[:min(len(console), consoleTailBytes)]
	lines := bytes.SplitAfterN(console, []byte("\n"), consoleTailLines+1)
	return bytes.Join(lines[:min(len(lines), consoleTailLines)], nil)
}

// printable returns a line of a console fit to be shown, without trailing
// spaces.
func printable(line []byte) string {
	return strings.TrimRight(desktop.PlainLine(string(line), consoleTailBytes), " ")
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
		_, rest, ok := strings.Cut(printable(line), "vmette: phase=")
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
