package windows

import (
	"encoding/binary"
	"testing"
	"unicode/utf8"

	"github.com/vmette/vmette-mcp/desktop"
)

func TestSizeHints(t *testing.T) {
	const minimum, maximum, steps, base = 16, 32, 64, 256
	hints := func(flags uint32, minW, minH, maxW, maxH, stepW, stepH, baseW, baseH uint32) []uint32 {
		return []uint32{flags, 0, 0, 0, 0, minW, minH, maxW, maxH, stepW, stepH, 0, 0, 0, 0, baseW, baseH, 0}
	}
	tests := []struct {
		name          string
		hints         []uint32
		width, height int
		wantW, wantH  int
	}{
		{"none", nil, 300, 200, 300, 200},
		{"none of them meant", hints(0, 400, 400, 10, 10, 7, 7, 3, 3), 300, 200, 300, 200},
		{"too small", hints(minimum, 400, 100, 0, 0, 0, 0, 0, 0), 300, 200, 400, 200},
		{"too large", hints(maximum, 0, 0, 250, 900, 0, 0, 0, 0), 300, 200, 250, 200},
		{"steps of a terminal", hints(minimum|steps|base, 10, 17, 0, 0, 6, 13, 4, 4), 303, 200, 298, 199},
		{"steps from the minimum", hints(minimum|steps, 10, 10, 0, 0, 7, 7, 0, 0), 30, 31, 24, 31},
		{"steps below the minimum", hints(minimum|steps|base, 20, 20, 0, 0, 6, 6, 4, 4), 21, 5, 22, 22},
		{"nothing below 1", nil, 0, -5, 1, 1},
	}
	for _, tt := range tests {
		if w, h := parseHints(tt.hints).fit(tt.width, tt.height); w != tt.wantW || h != tt.wantH {
			t.Errorf("%s: %dx%d becomes %dx%d, want %dx%d", tt.name, tt.width, tt.height, w, h, tt.wantW, tt.wantH)
		}
	}
}

// Any client can write the properties of its windows.
func FuzzProperties(f *testing.F) {
	f.Add([]byte("xterm\x00XTerm\x00"), 300, 200)
	f.Add(make([]byte, 72), 1, 1)
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), -1, 1<<20)
	f.Fuzz(func(t *testing.T, data []byte, width, height int) {
		var words []uint32
		for rest := data; len(rest) >= 4; rest = rest[4:] {
			words = append(words, binary.LittleEndian.Uint32(rest))
		}
		if w, h := parseHints(words).fit(width, height); w < 1 || h < 1 || w > 2*far || h > 2*far {
			t.Errorf("%dx%d becomes %dx%d", width, height, w, h)
		}
		if m := extents(words); m.left < 0 || m.right > far || m.top < 0 || m.bottom > far {
			t.Errorf("extents %v", m)
		}
		class := desktop.PlainLine(className(data), maxClass)
		if !utf8.ValidString(class) || len(class) > maxClass {
			t.Errorf("class %q", class)
		}
	})
}
