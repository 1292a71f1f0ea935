package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Stdio are the host's ends of what a command of [WorkloadOneShot] reads and
// writes. The session never closes them.
//
// In is read ahead of what the command takes. A read that is under way when the
// session ends is broken off if In has a SetReadDeadline, as pipes and connections
// have; any other one keeps a goroutine until it returns. A writer that blocks for
// ever keeps the session from ending.
type Stdio struct {
	In  io.Reader // nil is empty
	Out io.Writer // standard output, or all output with a terminal; nil discards
	Err io.Writer // standard error; nil discards
}

const (
	orderTimeout = 5 * time.Second // for the guest to take an order
	lostGrace    = 5 * time.Second // from the loss of a connection to the end of the machine that it may come from
)

// command is what a session has of the command in its guest.
type command struct {
	stdio Stdio
	ended map[string]chan struct{} // for each stream of output: closed when all of it was written

	mu    sync.Mutex
	conns map[string]net.Conn // that the guest has opened, by what they are

	orders sync.Mutex // held while one is written
}

func newCommand(stdio Stdio, terminal bool) *command {
	if stdio.Out == nil {
		stdio.Out = io.Discard
	}
	if stdio.Err == nil {
		stdio.Err = io.Discard
	}
	c := &command{stdio: stdio, ended: make(map[string]chan struct{}), conns: make(map[string]net.Conn)}
	outputs := []string{desktop.ConnStdout, desktop.ConnStderr}
	if terminal {
		outputs = []string{desktop.ConnTerminal}
	}
	for _, kind := range outputs {
		c.ended[kind] = make(chan struct{})
	}
	return c
}

// take makes conn the command's, once for each kind that there is to be.
func (c *command) take(kind string, conn net.Conn) error {
	_, expected := c.ended[kind]
	if kind == desktop.ConnWorkload || kind == desktop.ConnStdin && c.ended[desktop.ConnTerminal] == nil {
		expected = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !expected || c.conns[kind] != nil {
		return fmt.Errorf("the guest opened a connection %q that it has already or was not to open", kind)
	}
	c.conns[kind] = conn
	return nil
}

// close closes all connections.
func (c *command) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
}

// greetCommand makes conn one of the command's connections if the guest says the
// right hello on it, and closes it otherwise.
func (s *Session) greetCommand(conn net.Conn) error {
	kind, err := desktop.AcceptStream(s.ctx, conn, s.boot.Token)
	if err != nil {
		return err
	}
	if err := s.command.take(kind, conn); err != nil {
		return errors.Join(err, conn.Close())
	}
	if kind == desktop.ConnWorkload {
		s.watch.mark("guest agent ready")
		s.mu.Lock()
		close(s.changed)
		s.mu.Unlock()
	}
	s.wg.Go(func() { s.carry(kind, conn) })
	return nil
}

// carry does what a connection of the command is for, until it or the session
// ends.
func (s *Session) carry(kind string, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(s.ctx, func() { conn.Close() })()
	var err error
	switch c := s.command; kind {
	case desktop.ConnWorkload:
		s.awaitReport(conn)
	case desktop.ConnStdin:
		s.feed(conn)
	case desktop.ConnStderr:
		_, err = io.Copy(c.stdio.Err, conn)
	case desktop.ConnTerminal:
		var input sync.WaitGroup
		defer input.Wait()
		defer conn.Close()
		input.Go(func() { s.feed(conn) })
		fallthrough
	case desktop.ConnStdout:
		_, err = io.Copy(c.stdio.Out, conn)
	}
	if err != nil {
		s.log.Debug("carry output of the command", "stream", kind, "err", err)
	}
	if ended := s.command.ended[kind]; ended != nil {
		close(ended)
	}
}

// awaitReport ends the session with the report of the guest, once all output has
// been written.
func (s *Session) awaitReport(conn net.Conn) {
	report, err := desktop.ReadReport(conn)
	if err != nil {
		// The end of the machine says more, if that is what it is.
		grace := time.NewTimer(lostGrace)
		defer grace.Stop()
		select {
		case <-s.machine.Done():
		case <-s.ctx.Done():
		case <-grace.C:
			s.finish(SessionEnd{Reason: EndError, Err: fmt.Errorf("%w: lost the guest before its command had ended: %w", ErrVsock, err)})
		}
		return
	}
	for _, ended := range s.command.ended {
		select {
		case <-ended:
		case <-s.ctx.Done():
			return
		}
	}
	s.finish(SessionEnd{Reason: EndExited, Code: report.ExitCode})
}

// feed copies the session's input to conn. It returns when all of it was written,
// or nobody wants it any more.
func (s *Session) feed(conn net.Conn) {
	in := s.command.stdio.In
	if in == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := io.Copy(conn, in); err != nil && s.ctx.Err() == nil {
			s.log.Debug("carry input of the command", "err", err)
		}
	}()
	select {
	case <-done:
	case <-s.ctx.Done():
		d, ok := in.(interface{ SetReadDeadline(time.Time) error })
		if ok && d.SetReadDeadline(time.Unix(1, 0)) == nil {
			<-done
			d.SetReadDeadline(time.Time{})
		}
	}
}

// Signal sends a signal, by a name such as "SIGTERM", to the command and what it
// has started; a command that does not run yet gets it when it does. The error
// matches [ErrUnsupported] for a desktop and [ErrStopped] when the session has
// ended.
func (s *Session) Signal(name string) error { return s.order(desktop.Order{Signal: name}) }

// Resize says which size the command's terminal has from now on. Its errors are
// those of Signal.
func (s *Session) Resize(size desktop.TerminalSize) error { return s.order(desktop.Order{Size: &size}) }

func (s *Session) order(o desktop.Order) error {
	if s.command == nil {
		return fmt.Errorf("%w: a desktop takes no orders: use an action", ErrUnsupported)
	}
	if err := o.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidConfig, err)
	}
	if end := s.ending(); end.Reason != "" {
		return fmt.Errorf("%w: %s", ErrStopped, end)
	}
	s.command.mu.Lock()
	conn := s.command.conns[desktop.ConnWorkload]
	s.command.mu.Unlock()
	s.command.orders.Lock()
	defer s.command.orders.Unlock()
	err := conn.SetWriteDeadline(time.Now().Add(orderTimeout))
	if err == nil {
		err = desktop.WriteOrder(conn, o)
	}
	if err != nil {
		return fmt.Errorf("%w: give the guest an order: %w", ErrVsock, err)
	}
	return nil
}
