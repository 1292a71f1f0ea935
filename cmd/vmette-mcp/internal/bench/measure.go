// Package bench measures what a person or a model waits for: a desktop that
// boots, a picture of the screen, a click that arrives, a text that is typed.
//
// [Desktop] measures a desktop in a sandbox; [Native] measures the same guest
// agent on an X server of the host, to tell what the agent costs from what the
// machine around it costs.
package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/picture"
)

// Measurement is one thing measured N times. Its figures are in Unit, rounded
// to two places.
type Measurement struct {
	Name  string  `json:"name"`
	What  string  `json:"what"` // from when to when
	N     int     `json:"n"`
	Unit  string  `json:"unit"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	Bytes int     `json:"picture_bytes,omitempty"` // of the median picture, for those that make one
}

// Report is what a run measured.
type Report struct {
	Version      string        `json:"version"`
	Started      time.Time     `json:"started"`
	Host         string        `json:"host"`
	Isolation    string        `json:"isolation"` // or "none" for a native run
	Image        string        `json:"image,omitempty"`
	Screen       desktop.Size  `json:"screen"`
	Measurements []Measurement `json:"measurements"`
	Phases       []Phase       `json:"boot_phases,omitempty"`
}

// Phase is one moment of the boots that were measured.
type Phase struct {
	Name string  `json:"name"`
	Side string  `json:"side"`   // host: since the start was asked for; guest: since the kernel ran, by its clock
	P50  float64 `json:"p50_ms"` // when it was reached
}

// Print writes r as tables.
func (r Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%s, isolation %s, %s %v\n\n", r.Host, r.Isolation, r.Image, r.Screen)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "n\tp50\tp95\tunit\t ")
	for _, m := range r.Measurements {
		fmt.Fprintf(t, "%d\t%.2f\t%.2f\t%s\t  %s: %s\n", m.N, m.P50, m.P95, m.Unit, m.Name, m.What)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Phases) > 0 {
		fmt.Fprintln(w, "\nboot, phases:")
	}
	for _, p := range r.Phases {
		if _, err := fmt.Fprintf(w, "%8.0f ms  %-5s  %s\n", p.P50, p.Side, p.Name); err != nil {
			return err
		}
	}
	return nil
}

// summarize returns the measurement that samples make.
func summarize(name, what string, samples []time.Duration) Measurement {
	ms := make([]float64, len(samples))
	for i, d := range samples {
		ms[i] = float64(d) / float64(time.Millisecond)
	}
	return summary(name, what, "ms", ms)
}

// ratio returns how many times as long the median of a takes as each of b.
func ratio(name, what string, a, b []time.Duration) Measurement {
	median := summarize("", "", a).P50
	times := make([]float64, len(b))
	for i, d := range b {
		times[i] = median * float64(time.Millisecond) / float64(d)
	}
	return summary(name, what, "times", times)
}

// summary returns the measurement that samples in a unit make. It sorts them.
func summary(name, what, unit string, samples []float64) Measurement {
	slices.Sort(samples)
	return Measurement{
		Name: name,
		What: what,
		N:    len(samples),
		Unit: unit,
		P50:  percentile(samples, 50),
		P95:  percentile(samples, 95),
		Min:  percentile(samples, 0),
		Max:  percentile(samples, 100),
	}
}

// percentile returns the smallest value of sorted that at least p percent of
// the values do not exceed (the nearest-rank method).
func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return math.Round(100*sorted[max(rank, 1)-1]) / 100
}

// screen is a desktop that can be acted on and looked at.
type screen struct {
	do     func(context.Context, desktop.Action, desktop.Observe) (*desktop.Result, error)
	mirror func() *desktop.Mirror
}

// look takes a screenshot the way the tool does: from the request to the file
// that a model would be sent. It returns the size of the file.
func (s screen) look(ctx context.Context, mode desktop.ObserveMode) (int, error) {
	if _, err := s.do(ctx, desktop.Screenshot{}, desktop.Observe{Mode: mode}); err != nil {
		return 0, fmt.Errorf("take screenshot: %w", err)
	}
	p, ok := s.mirror().Picture(true)
	if !ok {
		return 0, fmt.Errorf("take screenshot: no picture came")
	}
	img, err := picture.Encode(p, picture.Budget{})
	if err != nil {
		return 0, err
	}
	return len(img.Data), nil
}

// looks measures n screenshots, with change called before each one.
func (s screen) looks(ctx context.Context, name, what string, n int, change func(context.Context) error) (Measurement, error) {
	var samples []time.Duration
	var sizes []int
	for range n {
		if change != nil {
			if err := change(ctx); err != nil {
				return Measurement{}, fmt.Errorf("%s: %w", name, err)
			}
		}
		start := time.Now()
		size, err := s.look(ctx, desktop.ObserveNow)
		if err != nil {
			return Measurement{}, fmt.Errorf("%s: %w", name, err)
		}
		samples = append(samples, time.Since(start))
		sizes = append(sizes, size)
	}
	m := summarize(name, what, samples)
	slices.Sort(sizes)
	m.Bytes = sizes[len(sizes)/2]
	return m, nil
}
