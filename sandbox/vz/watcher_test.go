package vz

import (
	"fmt"
	"strings"
	"testing"
)

func TestWatcher(t *testing.T) {
	const booted = "vmette: phase=root ms=1234\r\n"
	const line = "vmette: phase=display ms=2345\r\n"
	tests := []struct {
		name    string
		resumed bool
		console string
		want    bool
	}{
		{"nothing", false, "", false},
		{"one boot", false, line + booted + line + strings.Repeat(line, 100), false},
		{"a second boot", false, booted + line + booted, true},
		{"three boots are one restart", false, booted + booted + booted, true},
		{"a second boot that has no more than begun", false, booted + booted[:len(bootLine)], true},
		{"not even that", false, booted + booted[:len(bootLine)-1], false},
		{"a boot of what was resumed", true, line + booted, true},
		{"none of what was resumed", true, line + line, false},
		{"in the middle of a line", false, booted + "he said " + booted, false},
		{"a second boot that is slower", false, booted + strings.Replace(booted, "1234", "9999", 1), true},
		{"another phase of that name", false, booted + "vmette: phase=rooted ms=1\n", false},
		{"a line without an end", false, booted + strings.Repeat("x", 1<<20) + booted, false},
	}
	for _, tt := range tests {
		for _, step := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s by %d", tt.name, step), func(t *testing.T) {
				restarts := 0
				w := newWatcher(tt.resumed, func() { restarts++ })
				for rest := tt.console; rest != ""; {
					n := min(step, len(rest))
					if k, err := w.Write([]byte(rest[:n])); k != n || err != nil {
						t.Fatalf("Write: %d, %v", k, err)
					}
					rest = rest[n:]
				}
				if got := restarts == 1; got != tt.want || restarts > 1 {
					t.Errorf("%d restarts were told, want one: %v", restarts, tt.want)
				}
				if cap(w.line) > 2*len(bootLine) {
					t.Errorf("%d bytes are kept of a line", cap(w.line))
				}
			})
		}
	}
}

func FuzzWatcher(f *testing.F) {
	f.Add([]byte("vmette: phase=root ms=1\nvmette: phase=root ms=1\n"), 3)
	f.Fuzz(func(t *testing.T, console []byte, cut int) {
		whole, parts := 0, 0
		newWatcher(true, func() { whole++ }).Write(console)
		w := newWatcher(true, func() { parts++ })
		cut = min(max(cut, 0), len(console))
		w.Write(console[:cut])
		w.Write(console[cut:])
		if whole != parts || whole > 1 {
			t.Errorf("%d restarts in one piece, %d in two", whole, parts)
		}
	})
}
