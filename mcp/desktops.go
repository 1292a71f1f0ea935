package mcp

import (
	"context"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Desktops makes and keeps desktops, each of which belongs to an owner. It is
// what this package needs of a [sandbox.Manager]; see [Sandboxes]. It must be
// safe for concurrent use.
type Desktops interface {
	// Create boots a desktop and leases it. onStep is called as each named
	// step of the boot begins. Without room the error matches
	// [sandbox.ErrCapacity].
	Create(ctx context.Context, owner string, cfg sandbox.Config, onStep func(step string)) (Desktop, error)

	// Acquire leases owner's desktop. The error matches [sandbox.ErrNoDesktop]
	// when owner has none of this id, or it has ended.
	Acquire(ctx context.Context, owner, id string) (Desktop, error)

	// List describes owner's desktops, oldest first.
	List(owner string) []sandbox.Info

	// Count returns how many desktops of all owners run, and how many are
	// suspended.
	Count() (running, suspended int)

	// End stops owner's desktop and returns when it is gone or ctx is done.
	End(ctx context.Context, owner, id string) error

	// Checkpoint saves owner's desktop as it is; see [sandbox.Manager.Checkpoint].
	// Here and below the error matches [sandbox.ErrUnsupported] where desktops
	// cannot be saved.
	Checkpoint(ctx context.Context, owner, id string, opts sandbox.CheckpointOptions) (sandbox.CheckpointInfo, error)

	// Checkpoints describes those of owner's desktop, oldest first.
	Checkpoints(owner, id string) ([]sandbox.CheckpointInfo, error)

	// DropCheckpoint frees a checkpoint of owner's desktop, named by its id or its
	// name.
	DropCheckpoint(ctx context.Context, owner, id, name string) error

	// Rollback makes owner's desktop what it was at a checkpoint, the last one for
	// "". Leases of it go on.
	Rollback(ctx context.Context, owner, id, name string, onStep func(step string)) (sandbox.CheckpointInfo, error)

	// Suspend writes owner's desktop to the disk until Acquire needs it.
	Suspend(ctx context.Context, owner, id string) error

	// Fork starts another desktop of owner's from one as it is, and leases it.
	Fork(ctx context.Context, owner, id string, onStep func(step string)) (Desktop, error)

	// SetNetwork changes where owner's desktop may reach. The error matches
	// [sandbox.ErrInvalidConfig] when it may not be changed to that.
	SetNetwork(ctx context.Context, owner, id string, n sandbox.Network) error

	// NetworkLog returns the last entries of the log of the network of owner's
	// desktop, oldest first.
	NetworkLog(owner, id string) ([]sandbox.NetworkEntry, error)

	// NetworkTotals returns how much went over the networks of all desktops of all
	// owners so far.
	NetworkTotals() sandbox.NetworkTotals
}

// Desktop is a leased desktop. It must be safe for concurrent use.
type Desktop interface {
	Info() sandbox.Info

	// Do performs one action; see [sandbox.Lease.Do]. The error matches
	// [sandbox.ErrNoDesktop] when the desktop has ended, and only then.
	Do(ctx context.Context, a desktop.Action, o desktop.Observe) (*desktop.Result, error)

	// Screen returns what is known of the screen.
	Screen() Screen

	// SetKey has the desktop bear a key in lists; see [sandbox.Lease.SetKey].
	SetKey(key string)

	// Release ends the lease. It may be called more than once.
	Release()
}

// Screen is what this package needs of a [desktop.Mirror].
type Screen interface {
	Size() desktop.Size
	Picture(withCursor bool) (desktop.Picture, bool)
	Region(r desktop.Rect, withCursor bool) (desktop.Picture, error)
}

// Images says what to boot.
type Images interface {
	// Config returns what a new desktop boots. When its image is not there yet,
	// Config sees to it that it is being made and returns a *[NotReadyError]
	// within a second. It must be safe for concurrent use.
	Config(ctx context.Context) (sandbox.Config, error)
}

// NotReadyError says that the image is still being made, and how far that is.
type NotReadyError struct {
	Phase       string // what is being done, such as "install packages"
	Done, Total int64  // of this phase in some unit; Total is 0 when it is not known
	Detail      string // more for people, such as "212 of 290 MB"; may be ""
}

// Error says what is going on and how far it is.
func (e *NotReadyError) Error() string { return "the desktop's image is not ready: " + e.progress() }

// Sandboxes returns the desktops of a manager.
func Sandboxes(m *sandbox.Manager) Desktops { return sandboxes{m} }

type sandboxes struct{ *sandbox.Manager }

func (s sandboxes) Create(ctx context.Context, owner string, cfg sandbox.Config, onStep func(string)) (Desktop, error) {
	l, err := s.Manager.Create(ctx, owner, cfg, onStep)
	if err != nil {
		return nil, err
	}
	return lease{l}, nil
}

func (s sandboxes) Acquire(ctx context.Context, owner, id string) (Desktop, error) {
	l, err := s.Manager.Acquire(ctx, owner, id)
	if err != nil {
		return nil, err
	}
	return lease{l}, nil
}

func (s sandboxes) Fork(ctx context.Context, owner, id string, onStep func(string)) (Desktop, error) {
	l, err := s.Manager.Fork(ctx, owner, id, onStep)
	if err != nil {
		return nil, err
	}
	return lease{l}, nil
}

type lease struct{ *sandbox.Lease }

func (l lease) Screen() Screen { return l.Session().Screen() }
