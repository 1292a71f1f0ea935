package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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
// last desktop, what actions take. What is measured of desktops that start from a
// template is after that, when no other desktop runs.
func Desktop(ctx context.Context, b sandbox.Backend, cfg sandbox.Config, o Options) (Report, error) {
	cfg = cfg.WithDefaults()
	r := Report{Started: time.Now(), Image: cfg.Image, Screen: cfg.Screen}
	saver, saves := b.(sandbox.Snapshotter)
	saves = saves && o.Starts > 0

	boots, last, err := measureBoots(ctx, b, cfg, o, &r)
	if err != nil {
		return r, err
	}
	defer func() { last.Stop() }()
	if saves {
		if err := r.add(measureStarts(ctx, saver, last, o)); err != nil {
			return r, err
		}
	}
	g := &guest{screen: sessionScreen(last), log: o.log}
	if err := r.add(g.measure(ctx)); err != nil || !saves {
		return r, err
	}
	last.Stop()
	h, err := newHost(ctx, saver, cfg, o)
	if err != nil {
		return r, err
	}
	err = r.add(h.measureSaves(ctx, boots, o))
	if err == nil && runtime.GOOS == "linux" { // which alone tells how much memory each takes
		err = r.add(h.crowd(ctx))
	}
	return r, errors.Join(err, h.close())
}

// coldBoots are how long it took to boot desktops, each until its first settled
// screenshot, and until its browser showed a page as well: none without a browser.
type coldBoots struct{ settled, browser []time.Duration }

// measureBoots boots o.Boots desktops, and returns one that does not run a browser.
func measureBoots(ctx context.Context, b sandbox.Backend, cfg sandbox.Config, o Options, r *Report) (all coldBoots, last *sandbox.Session, err error) {
	phases := make(map[Phase][]time.Duration) // by name and side
	var order []Phase
	n := max(1, o.Boots)
	for i := range n {
		o.log("cold boot %d of %d", i+1, n)
		begun := time.Now()
		if last, err = bootSettled(ctx, b, cfg); err != nil {
			return all, nil, err
		}
		all.settled = append(all.settled, time.Since(begun))
		for _, p := range last.BootPhases() {
			key := Phase{Name: p.Name, Side: string(p.Side)}
			if !slices.Contains(order, key) {
				order = append(order, key)
			}
			phases[key] = append(phases[key], p.At)
		}
		shown, err := sessionScreen(last).showPage(ctx, "bench")
		if err != nil {
			last.Stop()
			return all, nil, fmt.Errorf("start browser: %w", err)
		}
		if shown {
			all.browser = append(all.browser, time.Since(begun))
		}
		if shown || i < n-1 {
			last.Stop()
		}
	}
	if len(all.browser) > 0 {
		o.log("boot of what the rest is measured on")
		if last, err = bootSettled(ctx, b, cfg); err != nil {
			return all, nil, err
		}
	}
	r.Isolation = string(last.Isolation())
	r.Measurements = append(r.Measurements, summarize("cold_boot", "from the start to the PNG of the first settled screenshot", all.settled))
	if len(all.browser) > 0 {
		r.Measurements = append(r.Measurements, summarize("cold_boot_browser", "the same, until the browser was started as well and a window has the title of its page", all.browser))
	}
	for _, p := range order {
		p.P50 = summarize(p.Name, "", phases[p]).P50
		r.Phases = append(r.Phases, p)
	}
	return all, last, nil
}

// bootSettled boots a desktop and looks at it once it has settled.
func bootSettled(ctx context.Context, b sandbox.Backend, cfg sandbox.Config) (*sandbox.Session, error) {
	s, err := sandbox.Start(ctx, b, cfg, sandbox.StartOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := sessionScreen(s).look(ctx, desktop.ObserveSettled); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// add adds what a part of the run has measured, also when it then failed.
func (r *Report) add(m []Measurement, err error) error {
	r.Measurements = append(r.Measurements, m...)
	return err
}

func sessionScreen(s *sandbox.Session) screen { return screen{do: s.Do, mirror: s.Screen} }
