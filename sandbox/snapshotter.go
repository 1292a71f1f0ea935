package sandbox

import (
	"context"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Snapshotter is a [Backend] that can start machines from a saved [State].
// Whether one of its machines can be saved is that machine's to say; see [Saver].
type Snapshotter interface {
	Backend

	// Fingerprint names everything of the backend and the host that a state of a
	// machine with cfg depends on, beside cfg: one that was saved under another
	// fingerprint must not be resumed. Its error is like that of Start.
	Fingerprint(ctx context.Context, cfg Config) (string, error)

	// Resume is like Start for a machine that goes on where state was saved. cfg
	// is that of the saved machine. The guest will dial boot.Port, which is the
	// one that it was told when it booted; of the rest of boot it knows nothing
	// yet. An error that matches ErrUnusable or ErrInvalidConfig says that no
	// machine will ever start from state.
	Resume(ctx context.Context, cfg Config, boot desktop.Boot, state State, dir string, onStep func(step string)) (Machine, error)

	// Load reads a state that [State.Store] wrote into dir. It fails when
	// anything of it is not as it was written, with an error that matches
	// ErrUnusable, or fs.ErrNotExist when a file is gone.
	Load(ctx context.Context, dir string) (State, error)
}

// Saver is a [Machine] that can be saved while it runs.
type Saver interface {
	Machine

	// Save returns the state of the machine, which stands still meanwhile and
	// then goes on. The guest's connections end; those that it makes afterwards
	// come out of Accept. When the error matches ErrUnsupported nothing has
	// happened; after any other one the machine may be of no use any more.
	Save(ctx context.Context) (State, error)
}

// State is a saved machine: memory and devices at one moment. It never changes,
// and any number of machines may be started from it, at the same time too. It is
// safe for concurrent use.
type State interface {
	// Store writes the state into dir, an empty directory, and returns when it
	// is on the disk.
	Store(ctx context.Context, dir string) error

	// Close frees what the state holds. Machines that were started from it go
	// on. It is called once, when nobody uses the state any more.
	Close() error
}

// StubState is a [State] that can be read again from where it was stored more cheaply
// than by [Snapshotter.Load], as long as others hold most of what it is made of, such
// as the template that its machine was started from.
type StubState interface {
	State

	// Stub returns what is to be kept for that, in place of the state: nil when it
	// shares nothing. It is to be closed.
	Stub() (Stub, error)
}

// Stub is what is left of a [StubState] that was stored. It takes next to no memory
// beside what the state shared with others, which it keeps from being freed.
type Stub interface {
	// Load is like that of [Snapshotter], for the directory that the state was
	// stored in.
	Load(ctx context.Context, dir string) (State, error)

	Close() error
}

// StateMeter is a [State] that knows what it costs.
type StateMeter interface {
	// Standstill returns how long the machine stood still to be saved: 0 for a
	// state that was loaded.
	Standstill() time.Duration

	// Size returns how much of the host's memory the state takes, in bytes, apart
	// from what it shares with what the machine was started from.
	Size() int64
}
