package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox/internal/steps"
)

// StartOptions are the parts of a start that are not data.
type StartOptions struct {
	Dir      string            // parent of the machine's own directory; "" means the system's for temporary files
	Hostname string            // of the guest; "" means "desktop"
	Name     string            // of the sandbox in the log of its network
	Network  NetworkOptions    // for a config with a network
	OnStep   func(step string) // called as each step of the boot begins, may be nil
	Logger   *slog.Logger      // nil discards
	Stdio    Stdio             // of the command, with WorkloadOneShot

	traffic *traffic // of the sandbox that goes on as another session; nil for a new one
}

// Start boots cfg on b and returns when the guest agent has said hello and its
// screen is up, or its command is about to start. When it fails nothing is left, and the error names the step
// and carries the end of the guest's console. It matches [ErrInvalidConfig],
// [ErrUnsupported] or [ErrStartFailed], and [ErrTimeout] as well when the boot
// took longer than cfg allows.
//
// ctx governs the boot, not the session: that runs until [Session.Stop].
func Start(ctx context.Context, b Backend, cfg Config, opts StartOptions) (*Session, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := newSession(cfg, opts)
	s.boot.Port = s.cfg.VsockPort.number()
	err := s.start(ctx, opts, func(ctx context.Context, dir string, onStep func(string)) (Machine, error) {
		s.boot.UnixTime = time.Now().UnixNano()
		return b.Start(ctx, s.cfg, s.boot, dir, onStep)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// newSession returns a session of cfg, which is valid, without a machine yet. Its
// guest has a token of its own.
func newSession(cfg Config, opts StartOptions) *Session {
	cfg = cfg.WithDefaults()
	s := &Session{
		cfg: cfg,
		boot: desktop.Boot{
			Token:       newSecret(),
			Hostname:    opts.Hostname,
			Root:        cfg.bootRoot(),
			Shares:      cfg.bootShares(),
			Authorities: cfg.bootAuthorities(),
			Screen:      cfg.Screen,
			NoSudo:      cfg.NoSudo,
		},
		bounds:  opts.Network.Bounds,
		traffic: cmp.Or(opts.traffic, new(traffic)),
		log:     opts.Logger,
		watch:   newStopwatch(),
		changed: make(chan struct{}),
		done:    make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Network.On() {
		s.boot.Network = bootNetwork()
	}
	hostname := "desktop"
	if cfg.Workload == WorkloadOneShot {
		hostname = "sandbox"
		s.boot.Workload = cfg.Exec.workload()
		s.command = newCommand(opts.Stdio, cfg.Exec.Terminal != nil)
	}
	s.boot.Hostname = cmp.Or(s.boot.Hostname, hostname)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// endedSession returns one of cfg that has ended: that of a sandbox whose server has.
func endedSession(cfg Config, opts StartOptions) *Session {
	s := newSession(cfg, opts)
	s.finish(SessionEnd{Reason: EndStopped})
	close(s.done)
	return s
}

// start starts the session's machine with launch, and returns when its guest
// agent has said hello. When it fails nothing is left.
func (s *Session) start(ctx context.Context, opts StartOptions, launch func(ctx context.Context, dir string, onStep func(string)) (Machine, error)) error {
	onStep := func(name string) {
		s.watch.mark(name)
		if opts.OnStep != nil {
			opts.OnStep(name)
		}
	}
	limit := s.cfg.BootTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: not up within %v", ErrTimeout, limit))
	defer cancel()
	var dir string
	list := []steps.Step{
		{
			Name: "make directory",
			Do: func(context.Context) (err error) {
				dir, err = os.MkdirTemp(opts.Dir, "sandbox-")
				return err
			},
			Undo: func() {
				if err := os.RemoveAll(dir); err != nil {
					s.log.Error("remove sandbox directory", "err", err)
				}
			},
		},
		{
			Name: "start machine",
			Do: func(ctx context.Context) (err error) {
				s.machine, err = launch(ctx, dir, onStep)
				return err
			},
			Undo: func() {
				if err := s.machine.Stop(); err != nil {
					s.log.Error("stop machine", "err", err)
				}
			},
		},
	}
	if s.cfg.Network.On() {
		list = append(list, steps.Step{
			Name: "connect network",
			Do:   func(context.Context) error { return s.connect(opts) },
			Undo: func() {
				if err := s.network.Close(); err != nil {
					s.log.Error("close network", "err", err)
				}
			},
		})
	}
	list = append(list, steps.Step{Name: "wait for guest agent", Do: s.waitReady})
	undo, err := steps.Run(ctx, onStep, list...)
	if err != nil {
		return s.startError(err)
	}
	if limit := s.cfg.Timeout; limit > 0 {
		s.timeout = time.AfterFunc(limit, func() {
			s.finish(SessionEnd{Reason: EndTimedOut, Err: fmt.Errorf("%w: it lasted longer than %v", ErrTimeout, limit)})
		})
	}
	go s.run(undo)
	return nil
}

// waitReady returns when the guest agent has said hello. When it fails, nothing
// that it started runs any more.
func (s *Session) waitReady(ctx context.Context) (err error) {
	changed := s.changed // nobody else has the session yet
	s.wg.Go(s.accept)
	select {
	case <-changed:
		return nil
	case <-s.machine.Done():
		if closed(changed) {
			return nil // a short command can be over before anybody looks
		}
		if err = s.machine.Err(); err == nil {
			err = errors.New("the guest powered itself off")
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	s.finish(SessionEnd{Reason: EndError, Err: err})
	s.wg.Wait()
	if s.client != nil {
		err = errors.Join(err, s.client.Close())
	}
	return err
}

// startError makes the error of a failed boot what [Start] promises.
func (s *Session) startError(err error) error {
	s.cancel()
	var step *steps.Error
	for _, known := range []error{ErrInvalidConfig, ErrUnsupported, ErrStartFailed} {
		if errors.Is(err, known) && errors.As(err, &step) {
			return step.Err // a backend's error names its own step
		}
	}
	err = fmt.Errorf("%w: %w", ErrStartFailed, err)
	if s.machine == nil {
		return err
	}
	if tail := consoleTail(s.machine.Console()); tail != "" {
		return fmt.Errorf("%w\nthe end of the guest's console:\n%s", err, tail)
	}
	return fmt.Errorf("%w (the guest wrote nothing to its console)", err)
}
