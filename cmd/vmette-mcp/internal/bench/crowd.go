package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// crowds are the numbers of desktops whose memory is measured. The largest crowd is
// also used.
var crowds = []int{1, 5, 10, 20}

// refusals is how often it is measured how long that takes.
const refusals = 10

// Crowd measures many desktops at once that start from one template: the memory of
// those that are idle, how long each takes to answer when they are used in turn, and
// that the one too many is refused at once.
func Crowd(ctx context.Context, b sandbox.Snapshotter, cfg sandbox.Config, o Options) (Report, error) {
	cfg = cfg.WithDefaults()
	r := Report{Started: time.Now(), Image: cfg.Image, Screen: cfg.Screen}
	h, err := newHost(ctx, b, cfg, o)
	if err != nil {
		return r, err
	}
	err = r.add(h.crowd(ctx))
	r.Isolation = string(h.isolation)
	return r, errors.Join(err, h.close())
}

// crowd is Crowd on a host that nobody uses.
func (h *host) crowd(ctx context.Context) (done []Measurement, err error) {
	most := crowds[len(crowds)-1]
	var all []*sandbox.Lease
	defer func() {
		for _, l := range all {
			err = errors.Join(err, h.end(ctx, l))
		}
	}()
	var created []time.Duration
	var totals, each []float64
	for _, n := range crowds {
		for len(all) < n {
			h.log("desktop %d of %d", len(all)+1, most)
			begun := time.Now()
			l, err := h.manager.Create(ctx, owner, h.cfg, nil)
			if err != nil {
				return done, err
			}
			created, all = append(created, time.Since(begun)), append(all, l)
		}
		if each, err = machinesPSS(); err != nil {
			return done, err
		}
		if len(each) != n {
			return done, fmt.Errorf("measure memory: %d processes run for %d desktops", len(each), n)
		}
		total := 0.0
		for _, mib := range each {
			total += mib
		}
		totals = append(totals, total)
		what := fmt.Sprintf("proportional set size of all machines of %d idle desktops that started from one template and have not been used", n)
		done = append(done, summary(fmt.Sprintf("pss_%d", n), what, "MiB", []float64{total}))
	}
	h.isolation = all[0].Info().Isolation
	last := len(crowds) - 1
	done = append(done,
		summary("pss_machine", fmt.Sprintf("the same, of each of the %d", most), "MiB", each),
		summary("pss_each", fmt.Sprintf("what one more desktop adds to that: the difference of %d and 1, by %d", most, most-1), "MiB", []float64{(totals[last] - totals[0]) / float64(most-1)}),
		summarize("create_in_crowd", fmt.Sprintf("from the request for a desktop until it can be used, while up to %d others are there", most-1), created),
	)

	var refused []time.Duration
	for range refusals {
		begun := time.Now()
		l, err := h.manager.Create(ctx, owner, h.cfg, nil)
		if err == nil {
			all = append(all, l)
			return done, fmt.Errorf("desktop %d of %d was not refused", most+1, most)
		}
		if !errors.Is(err, sandbox.ErrCapacity) {
			return done, err
		}
		refused = append(refused, time.Since(begun))
	}
	done = append(done, summarize("refused", "from the request for a desktop that there is no room for to the answer", refused))

	var turns []time.Duration
	for i, l := range all {
		h.log("use %d of %d", i+1, most)
		begun := time.Now()
		click := desktop.Click{Button: desktop.Left, Count: 1, At: &desktop.Point{X: 100 + i, Y: 100}}
		res, err := l.Session().Do(ctx, click, desktop.Observe{Mode: desktop.ObserveSettled})
		if err != nil {
			return done, fmt.Errorf("click on desktop %d: %w", i+1, err)
		}
		if res.X == nil || *res.X != 100+i {
			return done, fmt.Errorf("the click on desktop %d was somewhere else", i+1)
		}
		if err := settled(ctx, l); err != nil {
			return done, fmt.Errorf("desktop %d: %w", i+1, err)
		}
		turns = append(turns, time.Since(begun))
	}
	used, err := machinesPSS()
	return append(done,
		summarize("crowd_turn", fmt.Sprintf("a click and a settled screenshot on each of %d desktops in turn", most), turns),
		summary("pss_used_machine", fmt.Sprintf("proportional set size of each of the %d after that", most), "MiB", used),
	), err
}
