package x11

import (
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/internal/oracle"
)

// BenchmarkSettle measures a click into one or the other of two text fields,
// which moves the caret, until the screen has settled.
func BenchmarkSettle(b *testing.B) {
	for _, kind := range oracle.Applications {
		b.Run(string(kind), func(b *testing.B) {
			_, d := startApplication(b, kind, oracle.Options{Quiet: true})
			fields := []desktop.Rect{oracle.Parts.Text, oracle.Parts.Line}
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				at := oracle.Middle(fields[i%2])
				start := time.Now()
				if err := d.Click(b.Context(), desktop.Click{Button: desktop.Left, Count: 1, At: &at}); err != nil {
					b.Fatal(err)
				}
				if _, err := d.Settle(b.Context(), SettleOptions{}); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			figures(b, "settled", took)
		})
	}
}
