package sandbox

import (
	"errors"
	"fmt"

	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
)

// Errors that a caller may match with errors.Is.
var (
	ErrInvalidConfig = errors.New("invalid config")
	ErrStartFailed   = errors.New("start failed")    // the sandbox did not come up; the text names the boot step
	ErrTimeout       = errors.New("timeout")         // a time limit ran out
	ErrStopped       = errors.New("sandbox stopped") // the session has ended
	ErrNoDesktop     = errors.New("no such desktop") // unknown desktop_id, or another owner's
	ErrCapacity      = errors.New("no room for another sandbox")
	ErrInUse         = errors.New("the desktop is in use")    // so it is not saved just now
	ErrDiskFull      = durable.ErrFull                        // nothing is left of what was to be written
	ErrUnusable      = errors.New("saved state is of no use") // it is damaged, or refused, and will ever be
	ErrUnsupported   = errors.New("unsupported")              // this backend or host cannot do it
	ErrRestoreFailed = errors.New("restore failed")           // a sandbox did not come up from a saved state
	ErrSaveFailed    = errors.New("save failed")              // a sandbox was not saved
	ErrVsock         = errors.New("vsock")                    // the connection to a guest was lost, or could not be had
	ErrIO            = errors.New("I/O")                      // a file of the host could not be read or written

	// ErrSnapshotUnsupported says that this sandbox cannot be saved, here or at
	// all. It matches ErrUnsupported too.
	ErrSnapshotUnsupported = fmt.Errorf("snapshots are %w", ErrUnsupported)
)
