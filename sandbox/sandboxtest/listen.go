package sandboxtest

import (
	"context"
	"fmt"
	"net"
)

// dialled is a connection that the host makes, and the port in the guest that it is
// for.
type dialled struct {
	conn net.Conn
	port uint32
}

// Accept returns the next connection that the host makes to a port of the guest.
func (g *Guest) Accept(ctx context.Context) (conn net.Conn, port uint32, err error) {
	select {
	case d := <-g.m.dialled:
		return d.conn, d.port, nil
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
}

// Dial implements [sandbox.Dialer]. It waits until the guest accepts.
func (m *machine) Dial(ctx context.Context, port uint32) (net.Conn, error) {
	host, guest := net.Pipe()
	select {
	case m.dialled <- dialled{guest, port}:
		context.AfterFunc(m.ctx, func() { host.Close() })
		return host, nil
	case <-m.ctx.Done():
	case <-ctx.Done():
	}
	host.Close()
	guest.Close()
	return nil, fmt.Errorf("nobody listens on port %d", port)
}
