package sandbox

import "errors"

// Errors that a caller may match with errors.Is.
var (
	ErrInvalidConfig = errors.New("invalid config")
	ErrStartFailed   = errors.New("start failed")    // the sandbox did not come up; the text names the boot step
	ErrTimeout       = errors.New("timeout")         // a time limit ran out
	ErrStopped       = errors.New("sandbox stopped") // the session has ended
	ErrNoDesktop     = errors.New("no such desktop") // unknown desktop_id, or another owner's
	ErrCapacity      = errors.New("no room for another sandbox")
	ErrUnusable      = errors.New("saved state is of no use") // it is damaged, or refused, and will ever be
	ErrUnsupported   = errors.New("unsupported")              // this backend or host cannot do it
)
