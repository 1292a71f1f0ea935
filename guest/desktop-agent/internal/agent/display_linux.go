package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/rootwin"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/serve"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// background is the colour of a desktop that nobody has painted.
const background = 0x3b4252

// managerWait is how long a window manager may take until the desktop is used
// without it.
const managerWait = 20 * time.Second

const crashNotice = "The X server crashed and was started again: every window is gone, with what was not saved in it. Take a screenshot before going on."

// keepDisplay keeps a display on the desk, the next one when one has ended. It
// returns when there can be no other. Still tells which processes stand still.
func keepDisplay(ctx context.Context, cfg Config, desk *serve.Desk, still func() []int) error {
	var number uint64
	delay := firstDelay
	for {
		next, err := await(ctx, cfg, number)
		if err != nil {
			return err
		}
		d, err := x11.Open(ctx, cfg.Display, x11.Options{Logger: cfg.Logger, Still: still})
		if err != nil {
			if cfg.Server == nil || ctx.Err() != nil {
				return err
			}
			cfg.Logger.Error("no display", "error", err)
			if err := pause(ctx, delay); err != nil {
				return err
			}
			delay = min(2*delay, lastDelay)
			continue
		}
		delay = firstDelay
		cfg.Phase("display")
		if cfg.Guest {
			furnish(ctx, cfg, d)
		}
		if number > 0 {
			desk.Notify(crashNotice)
		}
		number = next
		desk.Place(d)
		select {
		case <-d.Done():
		case <-ctx.Done():
		}
		desk.Place(nil)
		cause := d.Err()
		d.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		cfg.Logger.Warn("the X server went away", "error", cause)
	}
}

// await waits for another X server than the one with this number.
func await(ctx context.Context, cfg Config, number uint64) (uint64, error) {
	if cfg.Server != nil {
		return cfg.Server(ctx, number)
	}
	if number > 0 {
		return 0, errors.New("the X server has ended")
	}
	return 1, nil
}

// furnish makes a bare screen a desktop.
func furnish(ctx context.Context, cfg Config, d *x11.Display) {
	if err := rootwin.Paint(ctx, cfg.Display, background); err != nil {
		cfg.Logger.Warn("paint background", "error", err)
	}
	if !cfg.Manager {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, managerWait, fmt.Errorf("none within %v", managerWait))
	defer cancel()
	err := rootwin.AwaitManager(ctx, cfg.Display)
	if err == nil {
		err = d.AwaitManager(ctx)
	}
	if err != nil {
		cfg.Logger.Warn("wait for the window manager", "error", err)
		return
	}
	cfg.Phase("desktop")
}
