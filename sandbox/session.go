package sandbox

import (
	"context"
	"log/slog"

	"github.com/vmette/vmette-mcp/desktop"
)

// Session owns a booted sandbox. It is safe for concurrent use.
type Session struct{}

// StartOptions are the parts of a start that are not data.
type StartOptions struct {
	Dir    string            // parent of the machine's own directory; "" means the system's for temporary files
	OnStep func(step string) // called as each step of the boot begins, may be nil
	Logger *slog.Logger      // nil discards
}

// Start boots cfg on b and returns when the guest agent has said hello and its
// screen is up. When it fails nothing is left, and the error names the step
// and carries the end of the guest's console.
func Start(ctx context.Context, b Backend, cfg Config, opts StartOptions) (*Session, error) {
	panic("sandbox helper")
}

// Do performs one action on the desktop. See [desktop.Client.Do]. After the
// guest agent was restarted the next response carries a notice of what was
// lost.
func (s *Session) Do(ctx context.Context, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
	panic("sandbox helper")
}

// Screen returns the host's mirror of the desktop's screen.
func (s *Session) Screen() *desktop.Mirror { panic("sandbox helper") }

// Config returns what was booted, with its defaults filled in.
func (s *Session) Config() Config { panic("sandbox helper") }

// Isolation returns the tier of isolation that the sandbox really has.
func (s *Session) Isolation() Isolation { panic("sandbox helper") }

// Stop ends the sandbox. It may be called from any goroutine, any number of
// times; it returns when everything is gone.
func (s *Session) Stop() { panic("sandbox helper") }

// Wait blocks until the session has ended, or ctx is done.
func (s *Session) Wait(ctx context.Context) (SessionEnd, error) { panic("sandbox helper") }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { panic("sandbox helper") }

// SessionEnd is how a session ended. The first cause wins.
type SessionEnd struct {
	Reason EndReason
	Code   int   // exit code, with EndExited
	Err    error // with EndError
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
