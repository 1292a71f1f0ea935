package vz

import (
	"fmt"
	"strings"
	"testing"
)

func TestWatcher(t *testing.T) {
	const banner = "[    0.000000] Linux version 6.1.0-cloud (debian) #1 SMP\r\n"
	const line = "[    0.120000] something else\r\n"
	tests := []struct {
		name    string
		resumed bool
		console string
		want    bool
	}{
		{"nothing", false, "", false},
		{"one boot", false, line + banner + line + strings.Repeat(line, 100), false},
		{"a second boot", false, banner + line + banner, true},
		{"three boots are one restart", false, banner + banner + banner, true},
		{"a second boot that has no more than begun", false, banner + banner[:len(kernelBanner)], true},
		{"not even that", false, banner + banner[:len(kernelBanner)-1], false},
		{"a boot of what was resumed", true, line + banner, true},
		{"none of what was resumed", true, line + line, false},
		{"in the middle of a line", false, banner + "he said " + banner, false},
		{"at another time", false, banner + "[    0.000001] Linux version 6.1.0\n", false},
		{"another version", false, banner + strings.Replace(banner, "6.1.0", "7.0.0", 1), true},
		{"a line without an end", false, banner + strings.Repeat("x", 1<<20) + banner, false},
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
				if cap(w.line) > 2*len(kernelBanner) {
					t.Errorf("%d bytes are kept of a line", cap(w.line))
				}
			})
		}
	}
}

func FuzzWatcher(f *testing.F) {
	f.Add([]byte("[    0.000000] Linux version 6\n[    0.000000] Linux version 6\n"), 3)
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
