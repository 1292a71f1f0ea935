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

// Crowd measures many desktops at once that start from one template: the memory of
// those that are idle, how long each takes to answer when they are used in turn, and
// that the one too many is refused at once.
func Crowd(ctx context.Context, b sandbox.Snapshotter, cfg sandbox.Config, o Options) (r Report, err error) {
	cfg = cfg.WithDefaults()
	r = Report{Started: time.Now(), Image: cfg.Image, Screen: cfg.Screen}
	most := crowds[len(crowds)-1]
	h, err := newHost(ctx, b, cfg, most, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, h.close()) }()

	var all []*sandbox.Lease
	var created []time.Duration
	var pss []float64
	for _, n := range crowds {
		for len(all) < n {
			h.log("desktop %d of %d", len(all)+1, most)
			begun := time.Now()
			l, err := h.manager.Create(ctx, owner, cfg, nil)
			if err != nil {
				return r, err
			}
			created, all = append(created, time.Since(begun)), append(all, l)
		}
		mib, err := machinesPSS()
		if err != nil {
			return r, err
		}
		pss = append(pss, mib)
		what := fmt.Sprintf("proportional set size of the machines of %d idle desktops that started from one template and have not been used", n)
		r.Measurements = append(r.Measurements, summary(fmt.Sprintf("pss_%d", n), what, "MiB", []float64{mib}))
	}
	r.Isolation = string(all[0].Info().Isolation)
	last := len(crowds) - 1
	r.Measurements = append(r.Measurements,
		summary("pss_each", fmt.Sprintf("the same, of each beyond the first of %d", most), "MiB", []float64{(pss[last] - pss[0]) / float64(most-1)}),
		summarize("create_in_crowd", fmt.Sprintf("from the request for a desktop until it can be used, while up to %d others are there", most-1), created),
	)

	begun := time.Now()
	l, err := h.manager.Create(ctx, owner, cfg, nil)
	if err == nil {
		l.Release()
		return r, fmt.Errorf("desktop %d of %d was not refused", most+1, most)
	}
	if !errors.Is(err, sandbox.ErrCapacity) {
		return r, err
	}
	r.Measurements = append(r.Measurements, summarize("refused", "from the request for a desktop that there is no room for to the answer", []time.Duration{time.Since(begun)}))

	var turns []time.Duration
	for i, l := range all {
		h.log("use %d of %d", i+1, most)
		begun := time.Now()
		click := desktop.Click{Button: desktop.Left, Count: 1, At: &desktop.Point{X: 100 + i, Y: 100}}
		res, err := l.Session().Do(ctx, click, desktop.Observe{Mode: desktop.ObserveSettled})
		if err != nil {
			return r, fmt.Errorf("click on desktop %d: %w", i+1, err)
		}
		if res.X == nil || *res.X != 100+i {
			return r, fmt.Errorf("the click on desktop %d was somewhere else", i+1)
		}
		if err := settled(ctx, l); err != nil {
			return r, fmt.Errorf("desktop %d: %w", i+1, err)
		}
		turns = append(turns, time.Since(begun))
	}
	used, err := machinesPSS()
	r.Measurements = append(r.Measurements,
		summarize("crowd_turn", fmt.Sprintf("a click and a settled screenshot on each of %d desktops in turn", most), turns),
		summary("pss_used_each", fmt.Sprintf("proportional set size of each of the %d after that", most), "MiB", []float64{used / float64(most)}),
	)
	return r, err
}
