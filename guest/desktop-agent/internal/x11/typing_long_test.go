package x11

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// longText has n characters, in lines, of some scripts.
func longText(n int) string {
	const lines = "The quick brown fox jumps over the lazy dog, 0123456789 times.\n" +
		"Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\n" +
		"Съешь же ещё этих мягких французских булок, да выпей чаю.\n" +
		"人人生而自由，在尊严和权利上一律平等。\n"
	var b strings.Builder
	for have := 0; have < n; have += utf8.RuneCountInString(lines) {
		b.WriteString(lines)
	}
	return string([]rune(b.String())[:n])
}

// A long text arrives in every application: one of 10,000 characters, or one of
// 100,000, in Chromium into a page that keeps its field short.
func TestTypingALongText(t *testing.T) {
	n := 10_000
	if typingRuns(t) > 1 {
		n = 100_000
	}
	text := longText(n)
	options := oracle.Options{Quiet: true, Brief: n > 10_000}
	eachApplicationWith(t, options, func(t *testing.T, app *oracle.App, d *Display) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		do := driver(d)
		start := time.Now()
		if err := do(ctx, desktop.Type{Text: text}); err != nil {
			t.Fatal(err)
		}
		typed := time.Since(start)
		got, err := app.Text(ctx, do)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("typed in %v, held after %v", typed, time.Since(start))
		if got != text {
			want, have := strings.Split(text, "\n"), strings.Split(got, "\n")
			t.Errorf("it holds something else (-want +got):\n%.2000s", cmp.Diff(want, have))
		}
	})
}
