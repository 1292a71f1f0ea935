package x11

import (
	"strconv"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// BenchmarkType measures texts from the call to its return; as held, until the
// application has them in its text field; and as focus, from a click right after
// the text until another window has the focus.
func BenchmarkType(b *testing.B) {
	texts := []struct{ name, text string }{
		{"ASCII 1000", ascii1000},
		{"CJK 500", cjk(500)},
	}
	for _, kind := range oracle.Applications {
		app, d := startApplication(b, kind, oracle.Options{Quiet: true})
		other := newBystander(b, d)
		other.giveBack(b, d)
		do := driver(d)
		for _, tt := range texts {
			b.Run(string(kind)+"/"+tt.name, func(b *testing.B) {
				var typed, held, focus []time.Duration
				for b.Loop() {
					start := time.Now()
					if err := do(b.Context(), desktop.Type{Text: tt.text}); err != nil {
						b.Fatal(err)
					}
					typed = append(typed, time.Since(start))
					got, err := app.Text(b.Context(), do)
					if err != nil {
						b.Fatal(err)
					}
					held = append(held, time.Since(start))
					if got != tt.text {
						b.Fatalf("it holds %q", got)
					}
					if _, err := app.Clear(b.Context(), do); err != nil {
						b.Fatal(err)
					}
					if err := do(b.Context(), desktop.Type{Text: tt.text}); err != nil {
						b.Fatal(err)
					}
					focus = append(focus, other.focusAfterClick(b, d))
					if _, err := app.Clear(b.Context(), do); err != nil {
						b.Fatal(err)
					}
				}
				figures(b, "typed", typed)
				figures(b, "held", held)
				figures(b, "focus", focus)
			})
		}
	}
}

// BenchmarkLongText measures long texts in Chromium, as in BenchmarkType: in a text
// field, and in a page that keeps its field short.
func BenchmarkLongText(b *testing.B) {
	for _, kind := range []struct {
		name  string
		brief bool
	}{{"field", false}, {"short field", true}} {
		b.Run(kind.name, func(b *testing.B) {
			app, d := startApplication(b, oracle.Chromium, oracle.Options{Quiet: true, Brief: kind.brief})
			for _, n := range []int{2_500, 5_000, 10_000, 20_000} {
				b.Run(strconv.Itoa(n), func(b *testing.B) { benchmarkLongText(b, app, d, longText(n)) })
			}
		})
	}
}

func benchmarkLongText(b *testing.B, app *oracle.App, d *Display, text string) {
	do := driver(d)
	var typed, held []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := do(b.Context(), desktop.Type{Text: text}); err != nil {
			b.Fatal(err)
		}
		typed = append(typed, time.Since(start))
		if got, err := app.Text(b.Context(), do); err != nil || got != text {
			b.Fatalf("it holds %d bytes of %d, %v", len(got), len(text), err)
		}
		held = append(held, time.Since(start))
		if err := do(b.Context(), desktop.Key{Keys: oracle.ClearKey}); err != nil {
			b.Fatal(err)
		}
		for {
			if e, err := app.Next(b.Context()); err != nil {
				b.Fatal(err)
			} else if e.Kind == oracle.Fence {
				break
			}
		}
	}
	figures(b, "typed", typed)
	figures(b, "held", held)
}
