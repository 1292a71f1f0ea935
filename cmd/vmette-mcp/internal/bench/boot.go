package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Options say what to measure.
type Options struct {
	Boots  int          // cold boots; at least 1
	Starts int          // starts from a saved desktop, on backends that can
	Log    func(string) // told what is being measured; may be nil
}

func (o Options) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(fmt.Sprintf(format, args...))
	}
}

// Desktop boots cfg on b, o.Boots times, and measures the boot and then, on the
// last desktop, everything else.
func Desktop(ctx context.Context, b sandbox.Backend, cfg sandbox.Config, o Options) (Report, error) {
	cfg = cfg.WithDefaults()
	r := Report{Started: time.Now(), Image: cfg.Image, Screen: cfg.Screen}
	var boots []time.Duration
	phases := make(map[Phase][]time.Duration) // by name and side
	var order []Phase
	var last *sandbox.Session
	defer func() {
		if last != nil {
			last.Stop()
		}
	}()
	for i := range max(1, o.Boots) {
		if last != nil {
			last.Stop()
		}
		o.log("cold boot %d of %d", i+1, max(1, o.Boots))
		start := time.Now()
		s, err := sandbox.Start(ctx, b, cfg, sandbox.StartOptions{})
		if err != nil {
			return r, err
		}
		last = s
		if _, err := sessionScreen(s).look(ctx, desktop.ObserveSettled); err != nil {
			return r, err
		}
		boots = append(boots, time.Since(start))
		for _, p := range s.BootPhases() {
			key := Phase{Name: p.Name, Side: string(p.Side)}
			if !slices.Contains(order, key) {
				order = append(order, key)
			}
			phases[key] = append(phases[key], p.At)
		}
	}
	r.Isolation = string(last.Isolation())
	r.Measurements = append(r.Measurements, summarize("cold_boot", "from the start to the PNG of the first settled screenshot", boots))
	for _, p := range order {
		p.P50 = summarize(p.Name, "", phases[p]).P50
		r.Phases = append(r.Phases, p)
	}

	if saver, ok := b.(sandbox.Snapshotter); ok && o.Starts > 0 {
		for _, measure := range []func() ([]Measurement, error){
			func() ([]Measurement, error) { return measureStarts(ctx, saver, last, o) },
			func() ([]Measurement, error) { return measureSaves(ctx, saver, cfg, o) },
		} {
			starts, err := measure()
			r.Measurements = append(r.Measurements, starts...)
			if err != nil {
				return r, err
			}
		}
	}
	g := &guest{screen: sessionScreen(last), log: o.log}
	rest, err := g.measure(ctx)
	r.Measurements = append(r.Measurements, rest...)
	return r, err
}

func sessionScreen(s *sandbox.Session) screen { return screen{do: s.Do, mirror: s.Screen} }
