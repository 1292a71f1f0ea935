package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox/egress"
	"github.com/vmette/vmette-mcp/sandbox/egress/dns"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// reconnectWait is how long an action waits for a guest agent that is being
// restarted before it answers that the desktop is unavailable.
const reconnectWait = 20 * time.Second

// Session owns a booted sandbox. It is safe for concurrent use.
//
// With [WorkloadAgent] it has a desktop, which Do drives. With [WorkloadOneShot]
// it runs a command, which Signal and Resize reach; it has no screen, and ends
// when the command does.
type Session struct {
	cfg     Config // its Network is guarded by mu
	machine Machine
	boot    desktop.Boot    // what the guest is told of itself
	resume  *desktop.Resume // for a guest that was started from a saved state; nil for any other
	common  bool            // most of its memory is that of a template
	network *egress.Network // nil without one
	pins    []dns.Pin       // that the guest of a saved state may remember
	bounds  *policy.Policy  // of the network; nil for none
	setting sync.Mutex      // held while the network's policy is changed
	traffic *traffic        // of the network
	log     *slog.Logger
	watch   *stopwatch

	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	wg     sync.WaitGroup // accepting, handshakes, watching the control connection

	actions gate        // that are under way
	command *command    // of a session that runs one; nil for a desktop
	timeout *time.Timer // ends the session; nil without a limit

	mu      sync.Mutex
	client  *desktop.Client // of the last control connection; nil before the first
	parted  *desktop.Client // of one that ends on purpose, because the machine is saved
	changed chan struct{}   // closed, and replaced, when client is
	notices []string        // what the next response must tell; none twice
	end     SessionEnd      // Reason is "" while the session runs

	done chan struct{} // closed when everything is gone
}

// Do performs one action on the desktop. See [desktop.Client.Do]. While the
// guest agent is being restarted Do waits a while for it, and then fails with
// [desktop.CodeUnavailable]; the next response after a restart carries a notice
// of what was lost. Once the session has ended the error matches [ErrStopped].
func (s *Session) Do(ctx context.Context, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
	if err := s.actions.enter(ctx); err != nil {
		return nil, fmt.Errorf("wait until the desktop is saved: %w", err)
	}
	defer s.actions.leave()
	return s.do(ctx, a, o)
}

// do is Do for a caller who has entered the gate. The error matches ErrStopped only
// if nothing was sent to the guest.
func (s *Session) do(ctx context.Context, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
	if s.command != nil {
		return nil, desktop.Errorf(desktop.CodeUnavailable, "this sandbox runs a command and has no desktop")
	}
	c, err := s.control(ctx)
	if err != nil {
		return nil, err
	}
	res, err := c.Do(ctx, a, o)
	if res != nil {
		res.Notices = append(s.takeNotices(), res.Notices...)
	}
	return res, err
}

// control returns the client of the live control connection.
func (s *Session) control(ctx context.Context) (*desktop.Client, error) {
	limit := time.NewTimer(reconnectWait)
	defer limit.Stop()
	for {
		s.mu.Lock()
		c, changed, end := s.client, s.changed, s.end
		s.mu.Unlock()
		if end.Reason != "" {
			return nil, fmt.Errorf("%w: %s", ErrStopped, end)
		}
		if c != nil && !closed(c.Done()) {
			return c, nil
		}
		select {
		case <-changed:
		case <-s.ctx.Done():
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the guest agent, which is being restarted: %w", context.Cause(ctx))
		case <-limit.C:
			return nil, desktop.Errorf(desktop.CodeUnavailable,
				"the guest agent is being restarted and has not come back for %v; nothing was done: try again in a few seconds", reconnectWait)
		}
	}
}

// notify has the next response tell something, once.
func (s *Session) notify(notice string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.notices, notice) {
		s.notices = append(s.notices, notice)
	}
}

func (s *Session) takeNotices() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notices
	s.notices = nil
	if line := s.traffic.refused.take(); line != "" {
		n = append(n, line)
	}
	return n
}

// Screen returns the host's mirror of the desktop's screen. It is another one
// after the guest agent was restarted, and nil where there is no desktop.
func (s *Session) Screen() *desktop.Mirror {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return nil
	}
	return s.client.Mirror()
}

// Size returns the size of the desktop's screen: that of the last picture, or
// what the guest agent said in its hello. It is zero where there is no desktop.
func (s *Session) Size() desktop.Size {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return desktop.Size{}
	}
	if size := s.client.Mirror().Size(); size.Valid() {
		return size
	}
	return s.client.Hello().Screen
}

// Config returns what was booted, with its defaults filled in, and with the network
// that it has now.
func (s *Session) Config() Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}

// Dial connects to the program in the guest that listens on [Config.GuestPort]. The
// error matches [ErrUnsupported] without such a port, with [VsockDisabled] or where the backend
// cannot, and [ErrVsock] when there is no connection to be had. The connection ends with
// the session, if the caller has not closed it before.
func (s *Session) Dial(ctx context.Context) (net.Conn, error) {
	if s.cfg.VsockPort.Policy == VsockDisabled {
		return nil, fmt.Errorf("%w: this config has vsock disabled, so nothing in its guest is dialled", ErrUnsupported)
	}
	d, ok := s.machine.(Dialer)
	if !ok || s.cfg.GuestPort == 0 {
		return nil, fmt.Errorf("%w: no port of this guest can be dialled: name one in the config", ErrUnsupported)
	}
	if end := s.ending(); end.Reason != "" {
		return nil, fmt.Errorf("%w: %s", ErrStopped, end)
	}
	conn, err := d.Dial(ctx, s.cfg.GuestPort)
	if err != nil {
		return nil, fmt.Errorf("%w: dial guest: %w", ErrVsock, err)
	}
	return conn, nil
}

// Isolation returns the tier of isolation that the sandbox really has.
func (s *Session) Isolation() Isolation { return s.machine.Isolation() }

// BootPhases returns what the boot went through and when: the host's steps in
// order, then what the guest has reported of itself so far.
func (s *Session) BootPhases() []Phase {
	return append(s.watch.list(), guestPhases(s.machine.Console())...)
}

// Console returns the end of what the guest wrote to its serial console, fit to
// be shown: at most 4 KiB, without control characters.
func (s *Session) Console() string { return consoleTail(s.machine.Console()) }

// Stop ends the sandbox. It may be called from any goroutine, any number of
// times; it returns when everything is gone.
func (s *Session) Stop() {
	s.finish(SessionEnd{Reason: EndStopped})
	<-s.done
}

// Wait blocks until the session has ended, or ctx is done.
func (s *Session) Wait(ctx context.Context) (SessionEnd, error) {
	select {
	case <-s.done:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.end, nil
	case <-ctx.Done():
		return SessionEnd{}, context.Cause(ctx)
	}
}

// Done is closed when the session has ended and everything of it is gone.
func (s *Session) Done() <-chan struct{} { return s.done }

// finish notes how the session ended, unless that is known already, and has
// everything of it taken down.
func (s *Session) finish(end SessionEnd) {
	s.mu.Lock()
	if s.end.Reason == "" {
		s.end = end
	}
	s.mu.Unlock()
	s.cancel()
}

// ending returns how the session ended, or is about to: its Reason is "" while the
// session runs.
func (s *Session) ending() SessionEnd {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// run owns the running sandbox: it waits for the end of the machine or of the
// session, whichever comes first, and then takes everything down with undo.
func (s *Session) run(undo func()) {
	select {
	case <-s.machine.Done():
		s.finish(s.machineEnd())
	case <-s.ctx.Done():
	}
	if s.timeout != nil {
		s.timeout.Stop()
	}
	if s.command != nil {
		s.command.close() // the guest has nothing to say any more
	}
	undo()
	s.wg.Wait()
	s.mu.Lock()
	end, c := s.end, s.client
	s.mu.Unlock()
	if c != nil {
		if err := c.Close(); err != nil && !errors.Is(err, context.Canceled) {
			s.log.Debug("close control connection", "err", err)
		}
	}
	s.log.Info("sandbox ended", "reason", end.Reason, "err", end.Err)
	close(s.done)
}

// machineEnd says what the end of the machine is to a session that did not bring
// it about.
func (s *Session) machineEnd() SessionEnd {
	switch err := s.machine.Err(); {
	case err != nil:
		return SessionEnd{Reason: EndError, Err: err}
	case s.command != nil:
		return SessionEnd{Reason: EndError, Err: errors.New("the guest powered itself off before its command had ended")}
	}
	return SessionEnd{Reason: EndExited}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
