package x11

import (
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// BenchmarkType measures texts from the call to its return and, as held-ms,
// until the application has them in its text field.
func BenchmarkType(b *testing.B) {
	texts := []struct{ name, text string }{
		{"ASCII 1000", ascii1000},
		{"CJK 500", cjk(500)},
	}
	for _, kind := range oracle.Applications {
		app, d := startApplication(b, kind, oracle.Options{Quiet: true})
		do := driver(d)
		for _, tt := range texts {
			b.Run(string(kind)+"/"+tt.name, func(b *testing.B) {
				var typed, held []time.Duration
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
					if err := app.Clear(b.Context(), do); err != nil {
						b.Fatal(err)
					}
				}
				figures(b, "typed", typed)
				figures(b, "held", held)
			})
		}
	}
}
