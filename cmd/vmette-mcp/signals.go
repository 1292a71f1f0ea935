package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/vmette/vmette-mcp/sandbox"
)

// interrupted is why a context is done that a signal ended.
type interrupted struct{ syscall.Signal }

func (i interrupted) Error() string { return "ended by a signal: " + i.String() }

// Is has it match [context.Canceled], which it is a kind of.
func (i interrupted) Is(target error) bool { return target == context.Canceled }

// untilSignal returns a context that the first SIGINT or SIGTERM ends, with an
// interrupted. release lets them be again.
func untilSignal() (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case sig := <-came:
			cancel(interrupted{sig.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(came)
		cancel(nil)
		<-done
	}
}

// passed are the signals that go to a sandbox's command. They go by name: numbers
// differ from one system to another.
var passed = map[os.Signal]string{
	syscall.SIGINT:  "SIGINT",
	syscall.SIGTERM: "SIGTERM",
	syscall.SIGHUP:  "SIGHUP",
	syscall.SIGQUIT: "SIGQUIT",
	syscall.SIGUSR1: "SIGUSR1",
	syscall.SIGUSR2: "SIGUSR2",
}

// patience is how many signals that ask for an end a command may disregard.
const patience = 2

// signals are those that come for a command, from when they are caught.
type signals struct {
	in   chan os.Signal
	last atomic.Int32 // that ended the sandbox; 0 for none
}

// catchSignals begins to keep signals from ending this process.
func catchSignals() *signals {
	s := &signals{in: make(chan os.Signal, 16)}
	for sig := range passed {
		signal.Notify(s.in, sig)
	}
	return s
}

// release lets signals be again.
func (s *signals) release() { signal.Stop(s.in) }

// pass gives them to the command of a session, until stop is called.
func (s *signals) pass(session *sandbox.Session) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		asked := 0
		for {
			select {
			case sig := <-s.in:
				if sig == syscall.SIGINT || sig == syscall.SIGTERM {
					asked++
				}
				// An order fails only if the guest does not take any; then the
				// session ends by itself, or by the signals that follow.
				if asked <= patience {
					_ = session.Signal(passed[sig])
					continue
				}
				s.last.Store(int32(sig.(syscall.Signal)))
				go session.Stop() // whoever waits for the session waits for this
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-done }
}

// exitCode is that of a command that the last signal ended.
func (s *signals) exitCode() int { return exitSignal + int(s.last.Load()) }
