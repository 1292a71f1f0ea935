package egress

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// copySize is how much is copied at a time, in bytes.
const copySize = 32 << 10

// metered counts, and holds back, what goes through a connection. Its Close is that
// of the connection.
type metered struct {
	net.Conn
	ctx           context.Context
	read, written *atomic.Int64
	readRate      *rate.Limiter // nil without
	writeRate     *rate.Limiter

	ending   sync.Once
	endError error
}

// guestSide returns the guest's end of a flow, metered.
func (f *flow) guestSide(c net.Conn) *metered {
	return &metered{Conn: c, ctx: f.ctx, read: &f.sent, written: &f.received, readRate: f.n.sent, writeRate: f.n.received}
}

func (m *metered) Read(b []byte) (int, error) {
	b = b[:min(len(b), copySize)]
	n, err := m.Conn.Read(b)
	m.read.Add(int64(n))
	if m.readRate != nil && n > 0 {
		if werr := m.readRate.WaitN(m.ctx, n); werr != nil {
			return n, werr
		}
	}
	return n, err
}

func (m *metered) Write(b []byte) (done int, err error) {
	for len(b) > 0 {
		part := b[:min(len(b), copySize)]
		if m.writeRate != nil {
			if err := m.writeRate.WaitN(m.ctx, len(part)); err != nil {
				return done, err
			}
		}
		n, err := m.Conn.Write(part)
		m.written.Add(int64(n))
		done += n
		if err != nil {
			return done, err
		}
		b = b[n:]
	}
	return done, nil
}

// CloseWrite tells the guest that nothing more will come. It may be called more than
// once.
func (m *metered) CloseWrite() error {
	m.ending.Do(func() { m.endError = closeWrite(m.Conn) })
	return m.endError
}

func closeWrite(c net.Conn) error {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Close()
}

// splice copies between two connections until both directions have ended or the flow
// is cut, and closes both. What comes from a is read from first before that.
func (f *flow) splice(a, b net.Conn, first io.Reader) {
	stop := context.AfterFunc(f.ctx, func() { a.Close(); b.Close() })
	defer stop()
	f.both(func() { copyHalf(b, first, a) }, func() { copyHalf(a, b, b) })
	a.Close()
	b.Close()
}

// both runs what carries the two directions, and waits for it.
func (f *flow) both(there, back func()) {
	var wg sync.WaitGroup
	for _, carry := range []func(){there, back} {
		wg.Go(func() {
			defer f.n.guard()
			carry()
		})
	}
	wg.Wait()
}

// copyHalf copies one direction. An end is passed on; an error ends the other
// direction as well.
func copyHalf(dst net.Conn, src io.Reader, of net.Conn) {
	_, err := io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, make([]byte, copySize))
	if err == nil {
		err = closeWrite(dst)
	}
	if err != nil {
		dst.Close()
		of.Close()
	}
}
