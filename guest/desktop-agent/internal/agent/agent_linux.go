package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/browse"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/clipboard"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/files"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/launch"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/run"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/serve"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/windows"
)

// Config says what an agent serves, and to whom.
type Config struct {
	Token    string // shown to the host
	Restarts int    // how many agents there were before this one
	Display  string // such as ":0"
	Cgroup   string // see run.New

	// Dial returns a connection to the host as soon as there can be one.
	Dial func(context.Context) (net.Conn, error)
	// Resume makes the machine, which was started from a saved state, the one
	// that the host says. Nil means that this is no such machine.
	Resume func(context.Context, desktop.Boot) error
	// AdvanceClock sets the machine's clock to a time, unless it is later already.
	// Nil means that the clock is not the agent's to see to.
	AdvanceClock func(ctx context.Context, to time.Time) error
	// Server waits until an X server takes connections that is not the one
	// numbered after, and returns its number. Nil means that there is one,
	// which does not come back when it has ended.
	Server func(ctx context.Context, after uint64) (uint64, error)
	// Guest says that the display belongs to a machine that runs nothing else:
	// it is painted, waited for until its window manager is there, and watched
	// for busy processors.
	Guest bool
	// Manager says that the window manager, if Guest, announces itself.
	Manager bool

	Logger *slog.Logger      // nil discards
	Phase  func(name string) // is told what has been reached; may be nil
}

// version is what the hello calls this program.
const version = "vmette desktop-agent"

// Times between two connections to a host that does not welcome the guest, or between
// two displays. After a welcome there is no delay: the connection may have ended
// because the machine was saved, and how often there may be another is the host's to say.
const (
	firstDelay = 50 * time.Millisecond
	lastDelay  = 2 * time.Second
)

// Run serves until ctx ends, or until nothing can be served any more.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Phase == nil {
		cfg.Phase = func(string) {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	runner := run.New(cfg.Cgroup)
	defer runner.Close()
	browser := &browse.Browser{Display: cfg.Display, Cgroup: cfg.Cgroup}
	if !cfg.Guest {
		defer browser.Close()
	}
	// An agent before this one may have had it stand still.
	if err := browser.Wake(); err != nil {
		cfg.Logger.Warn("wake browser", "error", err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/"
	}
	copied := clipboard.New(cfg.Display)
	defer copied.Close()
	open := windows.Windows{Display: cfg.Display}
	server := &serve.Server{
		Desk:      new(serve.Desk),
		Runner:    runner,
		Files:     files.Disk{Home: home},
		Clipboard: copied,
		Windows:   open,
		Launcher:  launch.Launcher{Jobs: runner, Windows: open},
		Browser:   browser,
	}
	var keeper sync.WaitGroup
	keeper.Go(func() { cancel(keepDisplay(ctx, cfg, server.Desk, browser.Still)) })
	defer keeper.Wait()
	defer cancel(nil)

	err = connect(ctx, cfg, server)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// connect serves one connection after the other.
func connect(ctx context.Context, cfg Config, server *serve.Server) error {
	var delay time.Duration
	for {
		// The host may take the hello for a desktop that can be used.
		display, err := server.Desk.Wait(ctx)
		if err != nil {
			return err
		}
		conn, err := cfg.Dial(ctx)
		if err != nil {
			return err
		}
		cfg.Phase("connected")
		guest, err := desktop.NewGuest(ctx, conn, desktop.Hello{
			Agent:    version,
			Token:    cfg.Token,
			Screen:   display.Size(),
			Restarts: cfg.Restarts,
		})
		var refused *desktop.RefusedError
		if errors.As(err, &refused) {
			return fmt.Errorf("serve host: %w", err)
		}
		if err == nil {
			cfg.Phase("welcome")
			if boot := guest.Resume(); boot != nil {
				cfg.Token = boot.Token
				resume(ctx, cfg, server.Desk, *boot)
			} else if now := guest.Time(); cfg.AdvanceClock != nil && !now.IsZero() {
				if err := cfg.AdvanceClock(ctx, now); err != nil {
					cfg.Logger.Error("advance clock", "error", err)
				}
			}
			err = server.Serve(ctx, guest)
			delay = 0
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		cfg.Logger.Info("connection to the host ended", "error", err)
		if err := pause(ctx, delay); err != nil {
			return err
		}
		delay = min(max(2*delay, firstDelay), lastDelay)
	}
}

// resume makes the machine another one than the one that was saved. A desktop of
// which not all is new is still of use, but its user must know.
func resume(ctx context.Context, cfg Config, desk *serve.Desk, boot desktop.Boot) {
	err := errors.New("this agent runs in no machine of its own")
	if cfg.Resume != nil {
		err = cfg.Resume(ctx, boot)
	}
	if err != nil {
		cfg.Logger.Error("resume", "error", err)
		desk.Notify("This desktop was started from a saved state, and not all of it is new: " + err.Error() +
			". Do not make secrets in it, and do not trust its clock.")
		return
	}
	cfg.Phase("resumed")
}

// pause lets some time pass.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
