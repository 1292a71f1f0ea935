package x11

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jezek/xgb/xproto"
)

var update = flag.Bool("update", false, "write keysyms.txt anew from the headers of X11")

// The table must say what the headers of X11 (package x11proto-dev) say.
func TestKeysymTable(t *testing.T) {
	type entry struct {
		name  string
		value uint64
	}
	var entries []entry
	headers := []struct{ file, prefix, replacement string }{
		{"/usr/include/X11/keysymdef.h", "XK_", ""},
		{"/usr/include/X11/XF86keysym.h", "XF86XK_", "XF86"},
	}
	for _, h := range headers {
		text, err := os.ReadFile(h.file)
		if err != nil {
			t.Fatalf("the table cannot be compared: %v (install x11proto-dev; make test does)", err)
		}
		// XF86keysym.h defines some by the number that the kernel has for them.
		define := regexp.MustCompile(`(?m)^#define\s+` + h.prefix + `(\w+)\s+(_EVDEVK\()?0x([0-9A-Fa-f]+)`)
		for _, m := range define.FindAllStringSubmatch(string(text), -1) {
			value, err := strconv.ParseUint(m[3], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			if m[2] != "" {
				value += 0x10081000
			}
			entries = append(entries, entry{h.replacement + m[1], value})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), strings.Compare(a.name, b.name))
	})
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %x\n", e.name, e.value)
	}
	if *update {
		if err := os.WriteFile("keysyms.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(b.String(), keysymTable); diff != "" {
		t.Errorf("keysyms.txt differs from the headers; run this test with -update (-want +got):\n%s", diff)
	}
}

// Every name of the table must be found, as it is written.
func TestKeysymNamed(t *testing.T) {
	for line := range strings.Lines(keysymTable) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		want, err := strconv.ParseUint(value, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := keysymNamed(name); uint64(got) != want || ok != (want != 0) {
			t.Errorf("%s is %x, want %x", name, got, want)
		}
	}
	for _, name := range []string{"", "A1", "zzz", "Retur", "Returns", "!", "~"} {
		if s, ok := keysymNamed(name); ok {
			t.Errorf("%q is keysym %x, want none", name, s)
		}
	}
}

func TestKeysymOf(t *testing.T) {
	tests := []struct {
		r    rune
		want xproto.Keysym // 0: cannot be typed
	}{
		{'a', 'a'}, {' ', ' '}, {'~', '~'}, {'é', 0xe9}, {'ÿ', 0xff}, {'\u00a0', 0xa0}, {'\u00ad', 0xad},
		{'Ā', 0x1000100}, {'字', 0x1005b57}, {'😀', 0x101f600}, {'\u200d', 0x100200d},
		{'\n', keysymReturn}, {'\r', keysymReturn}, {'\t', keysymTab}, {'\b', keysymBackSpace}, {'\x1b', keysymEscape},
		{0, 0}, {'\x03', 0}, {'\x7f', 0}, {'\u0085', 0}, {'\u009f', 0},
	}
	for _, tt := range tests {
		if got, ok := keysymOf(tt.r); got != tt.want || ok != (tt.want != 0) {
			t.Errorf("%U: keysym %x, %v; want %x", tt.r, got, ok, tt.want)
		}
	}
}
