package sandbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Manager holds the sandboxes of a host. It is safe for concurrent use.
type Manager struct{}

// ManagerConfig says how a [Manager] works. Backend and StateDir are needed.
type ManagerConfig struct {
	Backend  Backend
	StateDir string        // 0700; what a dead server left in it is removed at start
	Capacity int           // sandboxes at once; 0 means as many as the host's memory allows
	Idle     time.Duration // a sandbox that nobody holds or used for this long is ended; 0 means never
	Logger   *slog.Logger  // nil discards
}

// Info describes one sandbox.
type Info struct {
	ID        string       `json:"desktop_id"`
	Size      desktop.Size `json:"-"`
	Isolation Isolation    `json:"isolation"`
	Image     string       `json:"image"`
	Created   time.Time    `json:"created"`
	Used      time.Time    `json:"used"`
	Backend   string       `json:"backend"`
}

// NewManager opens the state directory, removes what dead servers left in it,
// and returns a Manager that [Manager.Close] must end.
func NewManager(cfg ManagerConfig) (*Manager, error) { panic("sandbox helper") }

// Create boots a sandbox that belongs to owner. Capacity is reserved before
// the boot; without room the error matches ErrCapacity at once and says how
// many are running. The lease must be released.
func (m *Manager) Create(ctx context.Context, owner string, cfg Config, onStep func(step string)) (*Lease, error) {
	panic("sandbox helper")
}

// Acquire takes a lease on owner's desktop, which keeps it alive until the
// lease is released. An unknown id and one of another owner are the same
// error, ErrNoDesktop; one that has ended says why.
func (m *Manager) Acquire(owner, id string) (*Lease, error) { panic("sandbox helper") }

// List returns owner's sandboxes, oldest first.
func (m *Manager) List(owner string) []Info { panic("sandbox helper") }

// End stops owner's sandbox and returns when it is gone.
func (m *Manager) End(ctx context.Context, owner, id string) error { panic("sandbox helper") }

// Close ends every sandbox, waits until all is gone, and gives the state
// directory back.
func (m *Manager) Close() error { panic("sandbox helper") }

// Lease keeps a sandbox alive while a call uses it.
type Lease struct{}

// Session returns the sandbox.
func (l *Lease) Session() *Session { panic("sandbox helper") }

// Info describes the sandbox.
func (l *Lease) Info() Info { panic("sandbox helper") }

// Release ends the lease. It may be called more than once.
func (l *Lease) Release() { panic("sandbox helper") }
