package vz

import (
	"context"
	"fmt"
	"net"
	"syscall"
)

// maxDialling is how many connections to a guest may be under way. The framework
// gives none up that the guest does not answer.
const maxDialling = 16

// Dial implements [sandbox.Dialer].
func (m *machine) Dial(ctx context.Context, port uint32) (net.Conn, error) {
	if m.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.ctx, func() { cancel(net.ErrClosed) })()
	select {
	case m.dialling <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	type answer struct {
		conn net.Conn
		err  error
	}
	answered := make(chan answer)
	// Nobody waits for this one: whether the framework answers when the machine ends
	// is not known.
	go func() {
		defer func() { <-m.dialling }()
		var a answer
		a.conn, a.err = m.connect(port)
		select {
		case answered <- a:
		case <-ctx.Done():
			if a.conn != nil {
				a.conn.Close() // too late
			}
		}
	}()
	select {
	case a := <-answered:
		return a.conn, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// connect connects to a port of the guest, however long that takes. The connection
// ends with the machine.
func (m *machine) connect(port uint32) (net.Conn, error) {
	c, err := m.vm.connect(port)
	if err != nil {
		return nil, err
	}
	own := m.conns.add(c)
	if own == nil {
		return nil, net.ErrClosed
	}
	return own, nil
}

// refusal makes an error of the framework, which has a code in a domain, one that
// matches [syscall.ECONNREFUSED] if it says that the guest refused a connection:
// what virtio calls a reset arrives as one.
func refusal(err error, domain string, code int) error {
	const posix = "NSPOSIXErrorDomain"
	if domain != posix {
		return err
	}
	switch syscall.Errno(code) {
	case syscall.ECONNREFUSED, syscall.ECONNRESET:
		return fmt.Errorf("%w: %w", syscall.ECONNREFUSED, err)
	}
	return err
}
