package sandbox

import (
	"context"

	"github.com/vmette/vmette-mcp/desktop"
)

// SessionClient drives a session and cannot end it. It is a small value that any
// number of goroutines may have and use.
type SessionClient struct{ s *Session }

// Client returns a client of the session.
func (s *Session) Client() SessionClient { return SessionClient{s} }

// Do performs one action; see [Session.Do].
func (c SessionClient) Do(ctx context.Context, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
	return c.s.Do(ctx, a, o)
}

// Signal sends a signal to the session's command; see [Session.Signal].
func (c SessionClient) Signal(name string) error { return c.s.Signal(name) }

// Resize changes the terminal of the session's command; see [Session.Resize].
func (c SessionClient) Resize(size desktop.TerminalSize) error { return c.s.Resize(size) }

// Wait blocks until the session has ended; see [Session.Wait].
func (c SessionClient) Wait(ctx context.Context) (SessionEnd, error) { return c.s.Wait(ctx) }

// StopHandle ends a session and can do nothing else with it. It is a small value
// that any number of goroutines may have and use.
type StopHandle struct{ s *Session }

// StopHandle returns what ends the session.
func (s *Session) StopHandle() StopHandle { return StopHandle{s} }

// Stop ends the session; see [Session.Stop].
func (h StopHandle) Stop() { h.s.Stop() }
