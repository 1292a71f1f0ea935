package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// owner is whom the desktops of a measurement belong to.
const owner = "bench"

// host is a manager of desktops that start from a template, both in a directory of
// their own.
type host struct {
	backend   sandbox.Backend
	manager   *sandbox.Manager
	templates *sandbox.Templates
	dir       string
	isolation sandbox.Isolation // once there was a crowd
	cfg       sandbox.Config
	log       func(format string, args ...any)
}

// newHost makes the template of cfg, and a manager of as many desktops at once as the
// largest crowd has. It must be closed.
func newHost(ctx context.Context, b sandbox.Snapshotter, cfg sandbox.Config, o Options) (_ *host, err error) {
	h := &host{backend: b, cfg: cfg.WithDefaults(), log: o.log}
	if h.dir, err = os.MkdirTemp("", "vmette-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	h.templates, err = sandbox.OpenTemplates(sandbox.TemplatesConfig{Dir: filepath.Join(h.dir, "templates"), Backend: b})
	if err != nil {
		return nil, err
	}
	h.log("template")
	if err := h.templates.Build(ctx, cfg, sandbox.BuildOptions{Dir: h.dir}); err != nil {
		return nil, err
	}
	h.manager, err = sandbox.NewManager(sandbox.ManagerConfig{
		Backend: b, StateDir: filepath.Join(h.dir, "state"), Templates: h.templates, Capacity: crowds[len(crowds)-1],
	})
	return h, err
}

func (h *host) close() error {
	var errs []error
	if h.manager != nil {
		errs = append(errs, h.manager.Close())
	}
	if h.templates != nil {
		errs = append(errs, h.templates.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(h.dir))...)
}

// create starts a desktop and looks at it once it has settled.
func (h *host) create(ctx context.Context) (*sandbox.Lease, error) {
	l, err := h.manager.Create(ctx, owner, h.cfg, nil)
	if err != nil {
		return nil, err
	}
	return l, settled(ctx, l)
}

// leasedScreen is the screen of a desktop, whichever session it is.
func leasedScreen(l *sandbox.Lease) screen {
	return screen{
		do: func(ctx context.Context, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
			return l.Session().Do(ctx, a, o)
		},
		mirror: func() *desktop.Mirror { return l.Session().Screen() },
	}
}

// settled looks at a desktop once it has settled.
func settled(ctx context.Context, l *sandbox.Lease) error {
	_, err := leasedScreen(l).look(ctx, desktop.ObserveSettled)
	return err
}

// measureSaves measures what a manager does with saved desktops: starts from a
// template, which it compares with cold boots, checkpoints, rollback, forks and
// suspension.
func (h *host) measureSaves(ctx context.Context, boots coldBoots, o Options) (all []Measurement, err error) {
	var created, opened []time.Duration
	var l *sandbox.Lease
	for i := range o.Starts {
		if l != nil {
			begun := time.Now()
			shown, err := leasedScreen(l).showPage(ctx, "first")
			if shown {
				opened = append(opened, time.Since(begun))
			}
			if err := errors.Join(err, h.end(ctx, l)); err != nil {
				return nil, err
			}
		}
		h.log("create %d of %d", i+1, o.Starts)
		begun := time.Now()
		if l, err = h.create(ctx); err != nil {
			return nil, fmt.Errorf("create: %w", err)
		}
		created = append(created, time.Since(begun))
	}
	all = append(all, summarize("create", "from the request for a desktop, which starts from a template, to the PNG of the first settled screenshot", created))
	all = append(all, ratio("cold_boot_per_create", "how many times as long the median cold boot took, to its first settled screenshot", boots.settled, created))
	if len(boots.browser) > 0 {
		all = append(all, ratio("cold_boot_browser_per_create", "how many times as long the median cold boot took, until its browser was started as well, as it is in the template", boots.browser, created))
	}
	if len(opened) > 0 {
		all = append(all, summarize("open_url", "from the request for a small page of the guest's own, the first one since the create, until a window has its title", opened))
	}

	warm, err := h.measureWarm(ctx, o)
	all = append(all, warm...)
	if err != nil {
		return all, err
	}

	idle, l, err := h.measureUndoing(ctx, l, o, "", "")
	all = append(all, idle...)
	if err != nil {
		return all, err
	}
	if len(opened) > 0 {
		if _, err := leasedScreen(l).showPage(ctx, "used"); err != nil {
			return all, err
		}
		var used []Measurement
		used, l, err = h.measureUndoing(ctx, l, o, "_used", ", of one whose browser has shown a page")
		all = append(all, used...)
		if err != nil {
			return all, err
		}
	}
	full, err := h.measureFull(ctx, l, o)
	if err != nil {
		return all, err
	}
	return append(all, summarize("checkpoint_standstill_300mib", "how long a desktop that has written 300 MiB to its memory stands still for a checkpoint", full)), h.end(ctx, l)
}

// measureUndoing measures checkpoints, rollback, forks and suspension of a desktop,
// and returns it as it is afterwards. Kind is added to the names of the figures and of
// to what they are.
func (h *host) measureUndoing(ctx context.Context, l *sandbox.Lease, o Options, kind, of string) ([]Measurement, *sandbox.Lease, error) {
	id := l.Info().ID
	var standstills, saves, rollbacks, forks, forkStandstills, suspends, resumes []time.Duration
	for i := range o.Starts {
		h.log("checkpoint, rollback, fork, suspend %d of %d%s", i+1, o.Starts, of)
		begun := time.Now()
		c, err := h.manager.Checkpoint(ctx, owner, id, sandbox.CheckpointOptions{Automatic: true})
		if err != nil {
			return nil, l, err
		}
		saves, standstills = append(saves, time.Since(begun)), append(standstills, c.Standstill)

		begun = time.Now()
		if _, err := h.manager.Rollback(ctx, owner, id, "", nil); err != nil {
			return nil, l, err
		}
		if err := settled(ctx, l); err != nil {
			return nil, l, err
		}
		rollbacks = append(rollbacks, time.Since(begun))

		begun = time.Now()
		fork, err := h.manager.Fork(ctx, owner, id, nil)
		if err != nil {
			return nil, l, err
		}
		if err := settled(ctx, fork); err != nil {
			return nil, l, err
		}
		forks, forkStandstills = append(forks, time.Since(begun)), append(forkStandstills, fork.Info().Standstill)
		if err := h.end(ctx, fork); err != nil {
			return nil, l, err
		}

		l.Release()
		begun = time.Now()
		if err := h.manager.Suspend(ctx, owner, id); err != nil {
			return nil, l, err
		}
		suspends = append(suspends, time.Since(begun))
		begun = time.Now()
		resumed, err := h.manager.Acquire(ctx, owner, id)
		if err != nil {
			return nil, l, err
		}
		l = resumed
		if err := settled(ctx, l); err != nil {
			return nil, l, err
		}
		resumes = append(resumes, time.Since(begun))
	}
	return []Measurement{
		summarize("checkpoint_standstill"+kind, "how long a desktop stands still for a checkpoint"+of, standstills),
		summarize("checkpoint"+kind, "from the request for a checkpoint until the desktop takes actions again"+of, saves),
		summarize("rollback"+kind, "from the request to roll back to the PNG of the first settled screenshot"+of, rollbacks),
		summarize("fork"+kind, "from the request to fork a running desktop to the PNG of the fork's first settled screenshot"+of, forks),
		summarize("fork_standstill"+kind, "how long the desktop that is forked stands still for that"+of, forkStandstills),
		summarize("suspend"+kind, "from the request until the desktop is on the disk and its machine gone"+of, suspends),
		summarize("resume"+kind, "from the first use of a suspended desktop to the PNG of the first settled screenshot"+of, resumes),
	}, l, nil
}

// measureFull measures how long a desktop stands still for a checkpoint that has written
// much to its memory.
func (h *host) measureFull(ctx context.Context, l *sandbox.Lease, o Options) (standstills []time.Duration, err error) {
	g := &guest{screen: leasedScreen(l)}
	if _, err := g.run(ctx, "head -c 300M /dev/urandom >/dev/shm/bench"); err != nil {
		return nil, err
	}
	id := l.Info().ID
	for i := range o.Starts {
		h.log("checkpoint of 300 MiB %d of %d", i+1, o.Starts)
		c, err := h.manager.Checkpoint(ctx, owner, id, sandbox.CheckpointOptions{})
		if err != nil {
			return nil, err
		}
		standstills = append(standstills, c.Standstill)
		if err := h.manager.DropCheckpoint(ctx, owner, id, c.ID); err != nil {
			return nil, err
		}
	}
	return standstills, nil
}

// end ends a desktop.
func (h *host) end(ctx context.Context, l *sandbox.Lease) error {
	defer l.Release()
	return h.manager.End(ctx, owner, l.Info().ID)
}
