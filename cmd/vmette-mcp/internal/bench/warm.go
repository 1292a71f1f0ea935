package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
)

// measureWarm measures creates that are handed a desktop which was kept warm.
func (h *host) measureWarm(ctx context.Context, o Options) (all []Measurement, err error) {
	manager, err := sandbox.NewManager(sandbox.ManagerConfig{
		Backend: h.backend, StateDir: filepath.Join(h.dir, "state"), Templates: h.templates, Capacity: 2, Warm: 1,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, manager.Close()) }()
	manager.Preload(h.cfg)
	warm := &host{manager: manager, cfg: h.cfg}
	var created, looked []time.Duration
	for i := range o.Starts {
		h.log("warm create %d of %d", i+1, o.Starts)
		if err := manager.Warm(ctx); err != nil {
			return nil, fmt.Errorf("wait for a warm desktop: %w", err)
		}
		begun := time.Now()
		l, err := manager.Create(ctx, owner, h.cfg, nil)
		if err != nil {
			return nil, fmt.Errorf("create: %w", err)
		}
		created = append(created, time.Since(begun))
		if err := settled(ctx, l); err != nil {
			return nil, err
		}
		looked = append(looked, time.Since(begun))
		if err := warm.end(ctx, l); err != nil {
			return nil, err
		}
	}
	return []Measurement{
		summarize("warm_ready", "from the request for a desktop, of which one is kept warm, until it can be used", created),
		summarize("warm_create", "the same, to the PNG of the first settled screenshot", looked),
	}, nil
}
