package qemu

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Backend boots machines with QEMU. It is safe for concurrent use.
type Backend struct {
	opts Options

	mu   sync.Mutex
	plan *plan // what Start has found out about the host; nil before the first
}

var _ sandbox.Snapshotter = (*Backend)(nil)

// plan is how machines are run on this host.
type plan struct {
	binary    string
	version   string
	isolation sandbox.Isolation
	door      Door
	otherUser bool                // whether machines of a root server run as other users
	cred      *syscall.Credential // of one machine
}

// New returns a backend. It looks at the host on the first start, not before.
func New(opts Options) (*Backend, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Backend{opts: opts}, nil
}

// Name returns "qemu".
func (b *Backend) Name() string { return "qemu" }

// Start boots a machine; see [sandbox.Backend].
func (b *Backend) Start(ctx context.Context, cfg sandbox.Config, boot desktop.Boot, dir string, onStep func(step string)) (sandbox.Machine, error) {
	return b.start(ctx, cfg, boot, nil, dir, onStep)
}

// Resume starts a machine from a state; see [sandbox.Snapshotter].
func (b *Backend) Resume(ctx context.Context, cfg sandbox.Config, boot desktop.Boot, s sandbox.State, dir string, onStep func(step string)) (sandbox.Machine, error) {
	own, ok := s.(*state)
	if !ok {
		return nil, fmt.Errorf("%w: the state is not one of this backend", sandbox.ErrInvalidConfig)
	}
	return b.start(ctx, cfg, boot, own, dir, onStep)
}

// start starts a machine from a state, or boots it if that is nil.
func (b *Backend) start(ctx context.Context, cfg sandbox.Config, boot desktop.Boot, s *state, dir string, onStep func(step string)) (sandbox.Machine, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p, err := b.prepare(ctx, onStep)
	if err != nil {
		return nil, err
	}
	if s != nil {
		if p.door != DoorVhostUser {
			return nil, fmt.Errorf("%w: machines with the vsock door %s cannot be started from a saved state", sandbox.ErrSnapshotUnsupported, p.door)
		}
		if err := s.fits(p.isolation, cfg); err != nil {
			return nil, err
		}
	}
	m := &machine{
		binary:    p.binary,
		isolation: p.isolation,
		doorKind:  p.door,
		cred:      p.cred,
		cfg:       cfg,
		boot:      boot,
		dir:       dir,
		state:     s,
		log:       b.opts.Logger,
	}
	if err := m.start(ctx, onStep); err != nil {
		return nil, fmt.Errorf("%w: %w", sandbox.ErrStartFailed, err)
	}
	return m, nil
}

// prepare returns how to run a machine here. The first call finds out; those
// that come meanwhile wait for it.
func (b *Backend) prepare(ctx context.Context, onStep func(string)) (plan, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.plan == nil {
		if onStep != nil {
			onStep("look at host")
		}
		p, err := b.look(ctx)
		if err != nil {
			return plan{}, err
		}
		b.plan = &p
	}
	p := *b.plan
	if p.otherUser {
		p.cred = unprivileged() // another one for each machine
	}
	if p.isolation == sandbox.IsolationKVM {
		p.cred = withKVM(p.cred)
	}
	return p, nil
}

// look finds out how to run machines on this host.
func (b *Backend) look(ctx context.Context) (plan, error) {
	if runtime.GOARCH != "amd64" {
		return plan{}, fmt.Errorf("%w: this backend runs on amd64, not on %s", sandbox.ErrUnsupported, runtime.GOARCH)
	}
	h, err := Inspect(ctx, b.opts)
	if err != nil {
		return plan{}, err
	}
	if !h.QEMU.Usable {
		return plan{}, fmt.Errorf("%w: %s: %s", sandbox.ErrUnsupported, h.QEMU.Reason, h.QEMU.Remedy)
	}
	p := plan{binary: h.Binary, version: h.Version, isolation: sandbox.IsolationKVM}
	switch {
	case b.opts.Accel == AccelTCG:
		p.isolation = sandbox.IsolationEmulated
	case !h.KVM.Usable && b.opts.Accel == AccelKVM:
		return plan{}, fmt.Errorf("%w: KVM is asked for but %s: %s", sandbox.ErrUnsupported, h.KVM.Reason, h.KVM.Remedy)
	case !h.KVM.Usable:
		p.isolation = sandbox.IsolationEmulated
		b.opts.Logger.Warn("no usable KVM: sandboxes are emulated and run many times slower", "reason", h.KVM.Reason, "remedy", h.KVM.Remedy)
	}
	p.otherUser = h.User.Usable
	if !p.otherUser {
		b.opts.Logger.Warn("QEMU runs as root, so a guest that breaks out of it does too", "reason", h.User.Reason, "remedy", h.User.Remedy)
	}
	p.door, err = chooseDoor(b.opts.Vsock, h.Doors)
	return p, err
}

// Inspect finds out what this host can do for a backend with these options, by
// trying. That KVM runs guests is found out by running one, for at most some
// seconds, and a clear answer is remembered until the host boots anew; see
// [Options.Afresh]. The error is that of ctx.
func Inspect(ctx context.Context, opts Options) (Host, error) {
	opts = opts.withDefaults()
	h := Host{User: userAbility(opts.Vsock)}
	err := h.inspectQEMU(ctx, opts)
	if err != nil {
		return h, err
	}
	access := errors.New(noQEMU)
	var cred *syscall.Credential
	if h.User.Usable {
		cred = unprivileged()
	}
	if h.QEMU.Usable {
		access = tryAccess(h.Binary, cred)
	}
	h.Doors = doorStates(access)
	if d, err := chooseDoor(DoorAuto, h.Doors); err == nil {
		h.Door = d
	}
	switch {
	case !h.QEMU.Usable:
		h.KVM = Ability{Reason: noQEMU}
	case opts.Accel == AccelTCG:
		h.KVM = Ability{Reason: "it is switched off"}
	case opts.Afresh:
		h.KVM, err = askKVM(ctx, opts.CacheDir, h, cred)
	default:
		h.KVM, err = recallKVM(ctx, opts.CacheDir, h, cred)
	}
	return h, err
}

// noQEMU is why what takes a QEMU to be tried is not usable without one.
const noQEMU = "there is no QEMU to try it with"

// inspectQEMU finds QEMU and asks it for its version. The error is that of ctx.
func (h *Host) inspectQEMU(ctx context.Context, opts Options) error {
	binary, err := exec.LookPath(opts.Binary)
	if err == nil {
		binary, err = filepath.Abs(binary) // it is started elsewhere
	}
	if err != nil {
		h.QEMU = Ability{Reason: fmt.Sprintf("find QEMU: %v", err), Remedy: "apt-get install qemu-system-x86"}
		return nil
	}
	h.Binary = binary
	h.Version, err = version(ctx, binary)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		h.QEMU = Ability{Reason: err.Error(), Remedy: "apt-get install --reinstall qemu-system-x86"}
	default:
		h.QEMU = Ability{Usable: true}
	}
	return nil
}

// version asks the QEMU at path for its version.
func version(ctx context.Context, path string) (string, error) {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("run %s --version: %w", path, err)
	}
	return parseVersion(string(out))
}

// parseVersion returns the version in what "qemu --version" prints.
func parseVersion(out string) (string, error) {
	_, rest, ok := strings.Cut(out, "QEMU emulator version ")
	if !ok {
		return "", errors.New("what --version prints is not QEMU's")
	}
	v, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(v), nil
}
