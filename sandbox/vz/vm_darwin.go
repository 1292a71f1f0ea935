//go:build cgo

package vz

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/Code-Hex/vz/v3"
)

// appleVM is a machine of the framework. The library makes its calls on a dispatch
// queue that each machine has for itself.
type appleVM struct {
	*vz.VirtualMachine
	config *vz.VirtualMachineConfiguration
	vsock  *vz.VirtioSocketDevice
	id     []byte
	tty    *tty
}

func (m *appleVM) identifier() []byte     { return m.id }
func (m *appleVM) console() io.ReadCloser { return m.tty.output }
func (m *appleVM) start() error           { return m.Start() }
func (m *appleVM) pause() error           { return m.Pause() }
func (m *appleVM) resume() error          { return m.Resume() }
func (m *appleVM) close()                 { m.tty.close() }

func (m *appleVM) stop() error {
	err := m.Stop()
	if m.ended() {
		return nil // by itself meanwhile, or before
	}
	return err
}

func (m *appleVM) ended() bool {
	s := m.State()
	return s == vz.VirtualMachineStateStopped || s == vz.VirtualMachineStateError
}

func (m *appleVM) wait(ctx context.Context) error {
	for {
		select {
		case s := <-m.StateChangedNotify():
			switch s {
			case vz.VirtualMachineStateStopped:
				return nil
			case vz.VirtualMachineStateError:
				return errBroken
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (m *appleVM) listen(port uint32) (net.Listener, error) {
	l, err := m.vsock.Listen(port)
	if err != nil {
		return nil, err
	}
	own := &listener{VirtioSocketListener: l, conns: make(chan net.Conn), closed: make(chan struct{})}
	go own.take()
	return own, nil
}

func (m *appleVM) connect(port uint32) (net.Conn, error) {
	c, err := m.vsock.Connect(port)
	var e *vz.NSError
	if errors.As(err, &e) {
		return nil, refusal(err, e.Domain, e.Code)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// listener is the library's, but its Accept ends when it is closed.
type listener struct {
	*vz.VirtioSocketListener
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// take takes connections for Accept. The library's Accept never returns once its
// listener is closed, so this goroutine stays, asleep, when the listener is gone:
// some kilobytes for each machine that there was.
func (l *listener) take() {
	for {
		c, err := l.VirtioSocketListener.Accept()
		if err != nil {
			continue // of this one connection
		}
		select {
		case l.conns <- c:
		case <-l.closed:
			c.Close()
		}
	}
}

// Accept returns the next connection.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close has the machine refuse connections.
func (l *listener) Close() (err error) {
	l.once.Do(func() {
		close(l.closed)
		err = l.VirtioSocketListener.Close()
	})
	return err
}
