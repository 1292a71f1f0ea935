package oneshot

import (
	"errors"

	"github.com/vmette/vmette-mcp/sandbox"
)

// Status is a vmette_status_t of vmette.h.
type Status int

// The statuses. Their numbers are part of the interface for C.
const (
	OK Status = iota
	InvalidConfig
	StartFailed
	RestoreFailed
	SaveFailed
	SnapshotUnsupported
	Timeout
	Vsock
	IO
	NullArg
	InvalidUTF8
)

// statuses are those of errors, in the order in which they are looked for: an error
// that matches several is told by the first, which says most.
var statuses = []struct {
	err    error
	status Status
}{
	{sandbox.ErrSnapshotUnsupported, SnapshotUnsupported},
	{sandbox.ErrInvalidConfig, InvalidConfig},
	{sandbox.ErrTimeout, Timeout},
	{sandbox.ErrIO, IO},
	{sandbox.ErrRestoreFailed, RestoreFailed},
	{sandbox.ErrSaveFailed, SaveFailed},
	{sandbox.ErrVsock, Vsock},
}

// StatusOf returns the status of an error. What is none of the others is a machine
// that did not come up, or broke.
func StatusOf(err error) Status {
	if err == nil {
		return OK
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return StartFailed
}
