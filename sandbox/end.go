package sandbox

import "fmt"

// SessionEnd is how a session ended. The first cause wins.
type SessionEnd struct {
	Reason EndReason
	Code   int   // exit code, with EndExited
	Err    error // with EndError and EndTimedOut
}

// EndReason says why a session ended.
type EndReason string

// The reasons.
const (
	EndExited   EndReason = "exited"    // the guest powered itself off or its workload ended
	EndTimedOut EndReason = "timed_out" // a time limit of the session ran out
	EndStopped  EndReason = "stopped"   // Stop was called
	EndError    EndReason = "error"     // the machine or its guest broke
)

// String says in words how the session ended, for a person or a model.
func (e SessionEnd) String() string {
	switch e.Reason {
	case EndExited:
		if e.Code != 0 {
			return fmt.Sprintf("it exited with code %d", e.Code)
		}
		return "it powered itself off"
	case EndTimedOut:
		return fmt.Sprintf("its time was up: %v", e.Err)
	case EndStopped:
		return "it was closed"
	case EndError:
		return fmt.Sprintf("it broke: %v", e.Err)
	}
	return "it has not ended"
}
