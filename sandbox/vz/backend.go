package vz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Options says how a [Backend] works. The zero value is what most want.
type Options struct {
	Logger *slog.Logger // nil discards
}

// Backend boots machines with Virtualization.framework. It is safe for concurrent
// use.
type Backend struct {
	hv    hypervisor
	arch  string // of host and guest, in Go's words
	turns turns
	log   *slog.Logger
}

var (
	_ sandbox.Snapshotter = (*Backend)(nil)
	_ sandbox.Sharer      = (*Backend)(nil)
)

// New returns a backend. Where there is no such framework its Start fails with an
// error that matches [sandbox.ErrUnsupported]; see [Inspect].
func New(opts Options) (*Backend, error) {
	return newBackend(newHypervisor(), runtime.GOARCH, opts), nil
}

func newBackend(hv hypervisor, arch string, opts Options) *Backend {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Backend{hv: hv, arch: arch, turns: newTurns(), log: opts.Logger}
}

// Host is what a host can do for this backend.
type Host struct {
	System    string // such as "macOS 15.1 24B83"; "" when this is no macOS
	Machines  error  // why no machine can be had; nil if it can
	Snapshots error  // why none can be saved; nil if it can
}

// Inspect finds out what this host can do. Both errors match
// [sandbox.ErrUnsupported].
func Inspect() Host {
	hv := newHypervisor()
	h := Host{System: hv.version(), Machines: hv.usable()}
	if h.Snapshots = h.Machines; h.Snapshots == nil {
		h.Snapshots = hv.saves()
	}
	return h
}

// Name returns "vz".
func (b *Backend) Name() string { return "vz" }

// Start boots a machine; see [sandbox.Backend].
func (b *Backend) Start(ctx context.Context, cfg sandbox.Config, boot desktop.Boot, dir string, onStep func(step string)) (sandbox.Machine, error) {
	return b.start(ctx, cfg, boot, nil, dir, onStep)
}

// Resume starts a machine from a state; see [sandbox.Snapshotter]. It has all of
// its memory to itself.
func (b *Backend) Resume(ctx context.Context, cfg sandbox.Config, boot desktop.Boot, s sandbox.State, dir string, onStep func(step string)) (sandbox.Machine, error) {
	own, ok := s.(*state)
	if !ok {
		return nil, fmt.Errorf("%w: the state is not one of this backend", sandbox.ErrInvalidConfig)
	}
	if err := errors.Join(b.hv.saves(), canSave(cfg)); err != nil {
		return nil, err
	}
	return b.start(ctx, cfg, boot, own, dir, onStep)
}

// start starts a machine from a state, or boots it if that is nil.
func (b *Backend) start(ctx context.Context, cfg sandbox.Config, boot desktop.Boot, s *state, dir string, onStep func(step string)) (sandbox.Machine, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := b.hv.usable(); err != nil {
		return nil, err
	}
	if cfg.ScratchMiB > 0 {
		return nil, fmt.Errorf("%w: a scratch disk takes mkfs.ext4, which macOS does not have: leave it out, and what is written goes to the guest's memory", sandbox.ErrUnsupported)
	}
	if s != nil {
		if err := s.fits(cfg); err != nil {
			return nil, err
		}
	}
	m := &machine{
		hv:    b.hv,
		turns: b.turns,
		arch:  b.arch,
		cfg:   cfg,
		boot:  boot,
		dir:   dir,
		state: s,
		log:   b.log,
	}
	if err := m.start(ctx, onStep); err != nil {
		if errors.Is(err, sandbox.ErrInvalidConfig) || errors.Is(err, sandbox.ErrUnsupported) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", sandbox.ErrStartFailed, err)
	}
	return m, nil
}

// Fingerprint implements [sandbox.Snapshotter]. The framework restores nothing
// that another Mac has saved, nor what it finds incompatible after an update.
func (b *Backend) Fingerprint(_ context.Context, cfg sandbox.Config) (string, error) {
	if err := errors.Join(b.hv.usable(), b.hv.saves(), canSave(cfg)); err != nil {
		return "", err
	}
	s := newSpec(cfg.WithDefaults(), "", "")
	return strings.Join([]string{
		fmt.Sprintf("state %d", stateFormat),
		b.arch, b.hv.version(),
		s.cmdline,
		fmt.Sprint("machine ", s.cpus, " ", s.memory, " ", len(s.disks)),
	}, "\n"), nil
}

// Load implements [sandbox.Snapshotter]. The state stays in dir: what is removed
// there cannot be resumed any more.
func (b *Backend) Load(ctx context.Context, dir string) (sandbox.State, error) {
	s, err := load(ctx, dir)
	if err != nil {
		return nil, err
	}
	return s, nil
}
