package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// BuildOptions are the parts of a build of a template that are not data.
type BuildOptions struct {
	Dir    string            // parent of the machine's own directory; "" means the system's for temporary files
	OnStep func(step string) // called as each step begins, may be nil
	Again  bool              // even if there is one
}

// ErrBusy reports a template that another process is making.
var ErrBusy = errors.New("another process is making this template: wait until it has")

// Build makes the template of cfg, unless there is one: it boots a desktop, waits
// until that has settled, starts its browser, and saves it. The error matches
// [ErrBusy] while another process does.
func (t *Templates) Build(ctx context.Context, cfg Config, opts BuildOptions) error {
	cfg.Network = Network{} // what starts from it gets its own
	key, err := t.Key(ctx, cfg)
	if err != nil {
		return err
	}
	lock, err := tryLock(t.lockPath(key))
	if errors.Is(err, errLocked) {
		return ErrBusy
	}
	if err != nil {
		return fmt.Errorf("make template: %w", err)
	}
	defer lock.Close()
	if _, _, err := t.readManifest(t.path(key)); err == nil && !opts.Again {
		return nil
	}
	browser := !t.cfg.NoBrowser
	snap, err := t.boot(ctx, cfg, opts, browser)
	if errors.Is(err, errNoPage) {
		t.log.Warn("template is made without a browser: make it again when the host is less busy", "image", cfg.Image, "err", err)
		browser = false
		snap, err = t.boot(ctx, cfg, opts, browser)
	}
	if err != nil {
		return fmt.Errorf("make template: %w", err)
	}
	if opts.OnStep != nil {
		opts.OnStep("store template")
	}
	if err := t.write(ctx, key, snap, browser); err != nil {
		snap.Close()
		return fmt.Errorf("store template: %w", err)
	}
	t.adopt(key, snap, t.stat(key))
	t.prune()
	return nil
}

// boot returns a settled desktop, saved, with its browser started if that is wanted.
func (t *Templates) boot(ctx context.Context, cfg Config, opts BuildOptions, browser bool) (*Snapshot, error) {
	s, err := Start(ctx, t.cfg.Backend, cfg, StartOptions{Dir: opts.Dir, OnStep: opts.OnStep, Logger: t.log})
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	step := func(name string) {
		if opts.OnStep != nil {
			opts.OnStep(name)
		}
	}
	step("wait until the desktop has settled")
	if err := settle(ctx, s); err != nil {
		return nil, err
	}
	if browser {
		step("start browser")
		if err := warmBrowser(ctx, s); err != nil {
			return nil, err
		}
		if err := settle(ctx, s); err != nil {
			return nil, err
		}
		if err := restBrowser(ctx, s); err != nil {
			return nil, err
		}
		// Each of its threads has run for a moment to come to stand still. A desktop
		// that starts from the template must not see that as news.
		if err := settle(ctx, s); err != nil {
			return nil, err
		}
	}
	step("save machine")
	return s.Snapshot(ctx)
}

// adopt makes a template that was just made the one that Get returns.
func (t *Templates) adopt(key string, snap *Snapshot, dir fs.FileInfo) {
	l := &loading{done: make(chan struct{}), dir: dir, snap: snap}
	close(l.done)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.loaded[key] != nil {
		snap.Close()
		return
	}
	t.loaded[key] = l
}

// How a desktop settles before it is saved: what it would do later it would do in
// each one that is started from it.
const (
	settleQuiet = 2 * time.Second
	settleLimit = time.Minute
)

// settle waits until nothing changes on the screen and the processors are idle. A
// desktop that does not become quiet is taken as it is.
func settle(ctx context.Context, s *Session) error {
	o := desktop.Observe{
		Mode:    desktop.ObserveSettled,
		QuietMS: int(settleQuiet.Milliseconds()),
		LimitMS: int(settleLimit.Milliseconds()),
	}
	if _, err := s.Do(ctx, desktop.Screenshot{}, o); err != nil {
		return fmt.Errorf("wait until the desktop has settled: %w", err)
	}
	return nil
}
