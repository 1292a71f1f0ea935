package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSummarize(t *testing.T) {
	var samples []time.Duration
	for i := 100; i >= 1; i-- {
		samples = append(samples, time.Duration(i)*time.Millisecond)
	}
	want := Measurement{Name: "a", What: "b", N: 100, Unit: "ms", P50: 50, P95: 95, Min: 1, Max: 100}
	if diff := cmp.Diff(want, summarize("a", "b", samples)); diff != "" {
		t.Errorf("measurement (-want +got):\n%s", diff)
	}
}

func TestRatio(t *testing.T) {
	boots := []time.Duration{9 * time.Second, 6 * time.Second, 90 * time.Second}
	creates := []time.Duration{time.Second, 500 * time.Millisecond}
	want := Measurement{Name: "a", What: "b", N: 2, Unit: "times", P50: 9, P95: 18, Min: 9, Max: 18}
	if diff := cmp.Diff(want, ratio("a", "b", boots, creates)); diff != "" {
		t.Errorf("measurement (-want +got):\n%s", diff)
	}
}

func TestPercentileOfFew(t *testing.T) {
	tests := []struct {
		values []float64
		p      float64
		want   float64
	}{
		{nil, 50, 0},
		{[]float64{7}, 95, 7},
		{[]float64{1, 2, 3}, 50, 2},
		{[]float64{1, 2, 3}, 95, 3},
		{[]float64{1.2345}, 50, 1.23},
	}
	for _, tt := range tests {
		if got := percentile(tt.values, tt.p); got != tt.want {
			t.Errorf("percentile(%v, %v) = %v, want %v", tt.values, tt.p, got, tt.want)
		}
	}
}

func TestASCIIText(t *testing.T) {
	text := asciiText(1000)
	if len(text) != 1000 || !strings.HasSuffix(text, "\n") {
		t.Errorf("%d characters that end with %q, want 1000 and a newline", len(text), text[len(text)-1:])
	}
	for c := byte(' '); c <= '~'; c++ {
		if !strings.Contains(text, string(c)) {
			t.Errorf("no %q in it", c)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 80 {
			t.Errorf("a line of %d characters", len(line))
		}
	}
}

func TestReportPrint(t *testing.T) {
	r := Report{
		Host: "linux/amd64, 2 CPUs", Isolation: "emulated", Image: "debian:bookworm/minimal",
		Measurements: []Measurement{summarize("click", "from a to b", []time.Duration{time.Millisecond})},
		Phases:       []Phase{{Name: "start", Side: "host", P50: 12}},
	}
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"isolation emulated", "click: from a to b", "1.00", "12 ms  host   start"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
}
