package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// start starts a sandbox from a template, or boots it when that cannot be.
func (m *Manager) start(ctx context.Context, cfg Config, opts StartOptions) (*Session, error) {
	t := m.cfg.Templates
	if t == nil {
		return Start(ctx, m.cfg.Backend, cfg, opts)
	}
	s, err := m.fromTemplate(ctx, cfg, opts)
	if err == nil {
		return s, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	s, bootErr := Start(ctx, m.cfg.Backend, cfg, opts)
	if bootErr != nil {
		return nil, bootErr
	}
	switch {
	case errors.Is(err, ErrUnsupported):
		m.log.Info("sandbox was booted, as none can be saved here", "reason", err)
		return s, nil
	case !errors.Is(err, ErrNoTemplate):
		m.log.Warn("sandbox was booted, as its template could not be used", "err", err)
		s.notify("The saved desktop that this one was to start from could not be used, so it was booted anew, which took longer. Nothing is lost.")
	}
	if errors.Is(err, ErrNoTemplate) || errors.Is(err, ErrUnusable) {
		m.buildTemplate(cfg)
	}
	return s, nil
}

// fromTemplate starts a sandbox from its template. The error matches ErrNoTemplate
// where there is none, and ErrUnusable if it was of no use and is there no more.
func (m *Manager) fromTemplate(ctx context.Context, cfg Config, opts StartOptions) (*Session, error) {
	t := m.cfg.Templates
	snap, err := t.Get(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	s, err := Resume(ctx, t.cfg.Backend, snap.connected(cfg.Network), opts)
	if errors.Is(err, ErrUnusable) || errors.Is(err, ErrInvalidConfig) {
		err = errors.Join(fmt.Errorf("%w: %w", ErrUnusable, err), t.Forget(ctx, cfg, snap))
	}
	return s, err
}

// buildPause is how long no template is made of what one could not be made of: the
// next try may well end alike, and costs as much as a sandbox.
const buildPause = 5 * time.Minute

// errBuildPause is why a template is not made.
var errBuildPause = errors.New("it could not be made some minutes ago")

// buildTemplate makes the template of cfg in the background, one at a time. What
// comes in between is not worth telling a client: a later start tries again. It
// gives way to users.
func (m *Manager) buildTemplate(cfg Config) {
	ctx, end, err := m.begin(m.ctx)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	build := &attempt{cancel: cancel, done: make(chan struct{})}
	m.mu.Lock()
	busy := m.building != nil
	if !busy {
		m.building = build
	}
	m.mu.Unlock()
	if busy {
		cancel()
		end()
		return
	}
	go func() {
		defer end()
		defer cancel()
		err := m.makeTemplate(ctx, cfg)
		m.mu.Lock()
		m.building = nil
		m.mu.Unlock()
		close(build.done)
		switch {
		case err == nil:
			m.log.Info("template is made: desktops start from it from now on", "image", cfg.Image)
			m.pool.retry()
		case passing(err), errors.Is(err, errBuildPause), ctx.Err() != nil:
			m.log.Debug("template is not made", "err", err)
		default:
			m.log.Warn("template could not be made", "image", cfg.Image, "again_after", buildPause, "err", err)
		}
	}()
}

// makeTemplate makes the template of cfg, unless that has failed a short while ago.
func (m *Manager) makeTemplate(ctx context.Context, cfg Config) error {
	key, err := m.cfg.Templates.Key(ctx, cfg)
	if err != nil {
		return fmt.Errorf("make template: %w", err)
	}
	m.mu.Lock()
	maps.DeleteFunc(m.unbuilt, func(_ string, failed time.Time) bool { return time.Since(failed) >= buildPause })
	_, pause := m.unbuilt[key]
	m.mu.Unlock()
	if pause {
		return errBuildPause
	}
	booking, err := m.room.take(cfg.WithDefaults().MemoryMiB)
	if err != nil {
		return fmt.Errorf("make template: %w", err)
	}
	defer booking.cancel()
	cfg.Background = true
	err = m.cfg.Templates.Build(ctx, cfg, BuildOptions{Dir: m.state.dir})
	if err != nil && !passing(err) && ctx.Err() == nil {
		m.mu.Lock()
		m.unbuilt[key] = time.Now()
		m.mu.Unlock()
	}
	return err
}

// passing reports whether a template was not made for a reason that says nothing
// about the next time.
func passing(err error) bool { return errors.Is(err, ErrBusy) || errors.Is(err, ErrCapacity) }

// Preload says what most sandboxes will be like. If they start from a template, that
// is read, so that the first one need not wait for it; and as many as are to be kept
// warm are of cfg from now on. It returns at once.
func (m *Manager) Preload(cfg Config) {
	if m.cfg.Templates == nil {
		return
	}
	if m.cfg.Warm > 0 {
		m.pool.keep(cfg)
		return
	}
	ctx, end, err := m.begin(m.ctx)
	if err != nil {
		return
	}
	go func() {
		defer end()
		if snap, err := m.cfg.Templates.Get(ctx, cfg); err == nil { // else whoever needs it will be told
			snap.Close()
		}
	}()
}
