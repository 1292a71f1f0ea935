package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Publication leads a port of the host to a TCP port of a guest. It belongs to no
// session, so it outlives a rollback, a suspension and the sandbox itself.
type Publication struct {
	ln   net.Listener
	port uint16
	to   func() *Session
	log  *slog.Logger

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Publish passes each connection that ln accepts on to a TCP port of the sandbox that to
// returns just then, which needs a network: where it returns nil the connection is
// closed. The program in the guest must listen on the guest's own address, not only on
// its loopback. The publication owns ln and must be closed; log may be nil.
//
// Whoever can connect to ln reaches the program in the guest.
func Publish(ln net.Listener, port uint16, to func() *Session, log *slog.Logger) *Publication {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Publication{ln: ln, port: port, to: to, log: log}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Go(p.accept)
	return p
}

// Close frees the port of the host. Connections that are open go on as long as the
// sandbox does. It may be called more than once.
func (p *Publication) Close() error {
	p.cancel()
	err := p.ln.Close()
	p.wg.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close published port: %w", err)
	}
	return nil
}

// How long is waited before the next try when no connection can be accepted, as when
// the process has too many files open: twice as long each time.
const (
	firstAcceptPause = 5 * time.Millisecond
	lastAcceptPause  = time.Second
)

// accept accepts connections until the publication is closed.
func (p *Publication) accept() {
	pause := time.Duration(0)
	for {
		c, err := p.ln.Accept()
		if err == nil {
			pause = 0
			p.pass(c)
			continue
		}
		if p.ctx.Err() != nil {
			return
		}
		if errors.Is(err, net.ErrClosed) {
			p.log.Error("a published port is closed", "addr", p.ln.Addr(), "err", err)
			return
		}
		if pause == 0 {
			p.log.Warn("no connection to a published port can be accepted", "addr", p.ln.Addr(), "err", err)
		}
		pause = min(max(2*pause, firstAcceptPause), lastAcceptPause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-p.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// pass gives a connection to the sandbox that is there now.
func (p *Publication) pass(c net.Conn) {
	if s := p.to(); s != nil && s.network != nil {
		s.network.Publish(c, p.port)
		return
	}
	c.Close()
}

// Running returns the session that owner's sandbox is just now, for [Publish]: nil while
// it is suspended and once it has ended. It keeps the sandbox from nothing, which is
// what [Manager.Acquire] is for.
func (m *Manager) Running(owner, id string) *Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.find(owner, id)
	if err != nil || e.suspended != "" {
		return nil
	}
	return e.session
}
