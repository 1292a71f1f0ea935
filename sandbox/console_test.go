package sandbox

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestConsoleTail(t *testing.T) {
	tests := []struct{ name, console, want string }{
		{"empty", "", ""},
		{"lines", "one\r\ntwo\r\n", "one\ntwo"},
		{"blank lines are left out", "one\n\n  \ntwo", "one\ntwo"},
		{"colours", "\x1b[31mred\x1b[0m", "red"},
		{"cut escape sequence", "red\x1b[3", "red"},
		{"escape alone", "a\x1b", "a"},
		{"escape and no byte of its", "a\x1b\u00e9", "a\u00e9"},
		{"reset, cursor movement and screen clearing", "\x1bc\x1b[?7l\x1b[2JSeaBIOS", "SeaBIOS"},
		{"control characters", "a\x00\x07\x7f\u0085b", "ab"},
		{"bidirectional override", "a\u202eb", "ab"},
		{"not UTF-8", "a\xffb", "a\ufffdb"},
		{"tab", "a\tb", "a b"},
		{"many lines", strings.Repeat("x\n", 100), strings.TrimSpace(strings.Repeat("x\n", 40))},
		{"many lines that are not UTF-8", strings.Repeat(strings.Repeat("\xff", 1000)+"\n", 4), strings.Repeat("\ufffd", 1000)},
		{"a long console begins at a line", strings.Repeat("a", 5000) + "\nend", "end"},
		{"a panic and a long trace", "[    1.0] Kernel panic - not syncing: why\n" + strings.Repeat("x\n", 100), "Kernel panic - not syncing: why" + strings.Repeat("\nx", 39)},
		{"a panic and long lines", "Kernel panic - not syncing: why\nx\n" + strings.Repeat("a", 5000), "Kernel panic - not syncing: why\nx\n" + strings.Repeat("a", 4096-len("Kernel panic - not syncing: why\nx\n"))},
		{"one endless line", strings.Repeat("a", 5000), strings.Repeat("a", 4096)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, consoleTail([]byte(tt.console))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestGuestPhases(t *testing.T) {
	console := strings.Join([]string{
		"vmette: phase=init ms=120",
		"[    1.0] vmette: phase=x11-ready ms=2500\r",
		"vmette: phase=Upper ms=1",
		"vmette: phase= ms=1",
		"vmette: phase=negative ms=-1",
		"vmette: phase=huge ms=99999999999999999999",
		"vmette: phase=trailing ms=1 ms=2",
		"vmette: phase=forged\x1b[2J ms=7",
	}, "\n")
	want := []Phase{
		{"init", GuestSide, 120 * time.Millisecond},
		{"x11-ready", GuestSide, 2500 * time.Millisecond},
		{"forged", GuestSide, 7 * time.Millisecond},
	}
	if diff := cmp.Diff(want, guestPhases([]byte(console))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	flood := bytes.Repeat([]byte("vmette: phase=a ms=1\n"), 1000)
	if got := len(guestPhases(flood)); got != maxGuestPhases {
		t.Errorf("a flood gave %d phases, want %d", got, maxGuestPhases)
	}
}

func FuzzConsole(f *testing.F) {
	f.Add([]byte("\x1b[31mred\x1b[0m\r\nvmette: phase=a ms=1"))
	f.Add([]byte("\xff\x1b[\x00"))
	f.Fuzz(func(t *testing.T, console []byte) {
		tail := consoleTail(console)
		if len(tail) > consoleTailBytes || strings.Count(tail, "\n") >= consoleTailLines || !utf8.ValidString(tail) {
			t.Errorf("tail of %d bytes is not fit to be shown: %q", len(tail), tail)
		}
		for _, r := range tail {
			if r != '\n' && unicode.IsControl(r) {
				t.Errorf("tail holds %q", r)
			}
		}
		for _, p := range guestPhases(console) {
			if !phaseName(p.Name) || p.At < 0 {
				t.Errorf("phase %+v", p)
			}
		}
	})
}
