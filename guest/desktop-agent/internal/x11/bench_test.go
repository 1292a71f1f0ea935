package x11

import (
	"slices"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/xprobe"
)

// BenchmarkClick measures the time from the call to the arrival of the press
// in another client. The clicks are at places apart from each other, so that
// none waits for the double click of the one before.
func BenchmarkClick(b *testing.B) {
	d, s := startDisplay(b)
	p := probe(b, s, xprobe.Options{})
	var seen []time.Duration
	for n := 0; b.Loop(); n++ {
		start := time.Now()
		err := d.Click(b.Context(), desktop.Click{Button: 1, Count: 1, At: at(20+40*(n%30), 20+40*(n%17))})
		if err != nil {
			b.Fatal(err)
		}
		seen = append(seen, next(b, p).Seen.Sub(start))
		next(b, p)
	}
	slices.Sort(seen)
	b.ReportMetric(float64(seen[len(seen)/2].Microseconds()), "µs-seen-p50")
	b.ReportMetric(float64(seen[len(seen)*95/100].Microseconds()), "µs-seen-p95")
}

func BenchmarkTypeASCII(b *testing.B) {
	d, s := startDisplay(b)
	p := probe(b, s, xprobe.Options{})
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for range p.Events() {
		}
	}()
	for b.Loop() {
		if err := d.Type(b.Context(), desktop.Type{Text: ascii1000}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	s.Kill()
	<-drained
}

func BenchmarkParseChord(b *testing.B) {
	for b.Loop() {
		if _, err := parseChord("ctrl+shift+Page_Down"); err != nil {
			b.Fatal(err)
		}
	}
}
