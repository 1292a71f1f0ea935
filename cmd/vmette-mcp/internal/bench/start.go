package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// measureStarts saves s, which has settled, and measures starts from what was
// saved. Afterwards s goes on.
func measureStarts(ctx context.Context, b sandbox.Snapshotter, s *sandbox.Session, o Options) ([]Measurement, error) {
	o.log("save")
	begun := time.Now()
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	saved := []time.Duration{time.Since(begun)}
	var ready, settled []time.Duration
	for i := range o.Starts {
		o.log("start %d of %d from what was saved", i+1, o.Starts)
		toReady, toSettled, err := measureStart(ctx, b, snap)
		if err != nil {
			return nil, fmt.Errorf("start from what was saved: %w", err)
		}
		ready, settled = append(ready, toReady), append(settled, toSettled)
	}
	return []Measurement{
		summarize("save", "from the request until the desktop that was saved goes on", saved),
		summarize("template_ready", "from the start from a saved desktop until its agent can be asked", ready),
		summarize("template_start", "from the start from a saved desktop to the PNG of the first settled screenshot", settled),
	}, nil
}

func measureStart(ctx context.Context, b sandbox.Snapshotter, snap *sandbox.Snapshot) (ready, settled time.Duration, err error) {
	begun := time.Now()
	s, err := sandbox.Resume(ctx, b, snap, sandbox.StartOptions{})
	if err != nil {
		return 0, 0, err
	}
	defer s.Stop()
	ready = time.Since(begun)
	_, err = sessionScreen(s).look(ctx, desktop.ObserveSettled)
	return ready, time.Since(begun), err
}
