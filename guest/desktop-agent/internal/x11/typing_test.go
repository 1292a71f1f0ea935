package x11

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

// terminal is an xterm that copies what is typed into a file.
type terminal struct {
	file  string
	state *bufio.Reader // a line when it listens, one when it has ended
}

func startTerminal(t *testing.T, s *x11test.Server) *terminal {
	t.Helper()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "state")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	term := &terminal{file: filepath.Join(dir, "typed")}
	shell := fmt.Sprintf(`exec 3> %s; echo listening >&3; cat > %s; echo ended >&3`, fifo, term.file)
	cmd := exec.Command("xterm", "-u8", "-geometry", "100x30+0+0", "-e", "sh", "-c", shell)
	cmd.Env = append(os.Environ(), "DISPLAY="+s.Display, "LC_ALL=C.UTF-8")
	appeared := x11test.AwaitWindow(t, s.Display)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	f, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	term.state = bufio.NewReader(f)
	if line, err := term.state.ReadString('\n'); line != "listening\n" {
		t.Fatalf("xterm: %q, %v", line, err)
	}
	appeared()
	return term
}

// typed ends the terminal and returns what it has got.
func (term *terminal) typed(t *testing.T, d *Display) string {
	t.Helper()
	if err := d.Key(t.Context(), desktop.Key{Keys: "ctrl+d", Repeat: 2}); err != nil {
		t.Fatal(err)
	}
	if line, err := term.state.ReadString('\n'); line != "ended\n" {
		t.Fatalf("xterm: %q, %v", line, err)
	}
	b, err := os.ReadFile(term.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// cjk returns n different Chinese characters, 60 in a line.
func cjk(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteRune(rune(0x4e00 + 7*i))
		if i%60 == 59 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

var ascii1000 = strings.Repeat("The quick brown Fox jumps over the LAZY dog: <{[(0123456789)]}> #!?\n", 16)[:1000]

func TestTypeIntoTerminal(t *testing.T) {
	tests := []struct {
		name, text string
	}{
		{"ASCII", ascii1000},
		{"symbols", "<>|~`^@\\/?\"'!$%&*()_+-=[]{};:,.#"},
		{"accents", "ÁáÀàÉéÑñÜüßÇçØøÅå Ææ Œœ Šš Žž Łł Řř"},
		{"Greek and Cyrillic", "Ελληνικά Ωμέγα Русский Ёё Щщ Українська Її"},
		{"combining and joiners", "e\u0301 n\u0303 👩\u200d👩\u200d👧 🇩🇪 ❤\ufe0f"},
		{"Arabic, Hebrew, Devanagari, Thai", "العربية עברית हिन्दी ไทย"},
		{"kana, hangul, han", "ひらがな カタカナ 한국어 漢字"},
		{"500 Chinese characters", cjk(500)},
		{"the same again and again", strings.Repeat("字a字é", 50)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, s := startDisplay(t)
			term := startTerminal(t, s)
			if err := d.Click(t.Context(), desktop.Click{Button: desktop.Left, Count: 1, At: &desktop.Point{X: 200, Y: 200}}); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := d.Type(t.Context(), desktop.Type{Text: tt.text + "\n"}); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d bytes in %v", len(tt.text), time.Since(start))
			if diff := cmp.Diff(tt.text+"\n", term.typed(t, d)); diff != "" {
				t.Errorf("the terminal got something else (-want +got):\n%s", diff)
			}
		})
	}
}
