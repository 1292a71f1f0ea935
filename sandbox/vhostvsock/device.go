package vhostvsock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// Device is one guest's virtio-vsock device. It is safe for concurrent use.
//
// Its listeners live as long as it does; its connections live as long as the
// driver that [Device.Serve] works for.
type Device struct {
	cfg        Config
	openMemory func(pid int, rs regions) (memory, error)
	serving    sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	link      *link // nil while nobody serves
	listeners map[uint32]*Listener
	lastPort  uint32 // given to Dial or to Listen(0)
}

// Ports that Dial and Listen(0) choose from.
const (
	firstPort = 1 << 30
	lastPort  = 1<<31 - 1
)

// New returns a device that [Device.Close] must end.
func New(cfg Config) (*Device, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("new vsock device: %w", err)
	}
	return &Device{
		cfg:        cfg,
		openMemory: openMemory,
		listeners:  make(map[uint32]*Listener),
		lastPort:   lastPort,
	}, nil
}

// Listen takes a port on which the guest may connect to [HostCID]; 0 takes one
// that is free. A port that is taken is an error that matches
// syscall.EADDRINUSE.
func (d *Device) Listen(port uint32) (net.Listener, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := error(nil)
	switch {
	case d.closed:
		err = net.ErrClosed
	case port == portAny:
		err = syscall.EADDRNOTAVAIL
	case port == 0:
		port = d.freePort()
	case d.listeners[port] != nil:
		err = syscall.EADDRINUSE
	}
	if err != nil {
		return nil, opError("listen", nil, Addr{HostCID, port}, err)
	}
	l := &Listener{dev: d, port: port, ready: sync.NewCond(&d.mu)}
	l.deadline.cond = l.ready
	d.listeners[port] = l
	return l, nil
}

// freePort returns a port on which nobody listens and that no recent Dial uses.
func (d *Device) freePort() uint32 {
	for {
		if d.lastPort++; d.lastPort > lastPort {
			d.lastPort = firstPort
		}
		if d.listeners[d.lastPort] == nil {
			return d.lastPort
		}
	}
}

// Dial connects to a port of the guest and returns a *[Conn]. It waits for a
// driver that is not ready yet until ctx is done, but not for a VMM: while nobody
// serves the error matches syscall.ENETDOWN. If nobody listens in the guest it
// matches syscall.ECONNREFUSED.
func (d *Device) Dial(ctx context.Context, port uint32) (net.Conn, error) {
	c, err := d.dial(ctx, port)
	if err != nil {
		return nil, opError("dial", nil, Addr{d.cfg.GuestCID, port}, err)
	}
	return c, nil
}

func (d *Device) dial(ctx context.Context, port uint32) (*Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.link
	switch {
	case d.closed:
		return nil, net.ErrClosed
	case l == nil:
		return nil, syscall.ENETDOWN
	case len(l.conns) >= d.cfg.MaxConns:
		return nil, errTooManyConns
	}
	k := key{guest: port, host: d.freePort()}
	for l.conns[k] != nil {
		k.host = d.freePort()
	}
	c := l.newConn(k, stateConnecting)
	c.say(sayRequest)
	l.transmit()

	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		c.writable.Broadcast()
	})
	defer stop()
	for c.state == stateConnecting {
		if err := ctx.Err(); err != nil {
			if c.requested {
				c.abort(err)
				l.transmit()
			} else {
				c.gone(err)
			}
			return nil, err
		}
		c.writable.Wait()
	}
	// A guest may have ended the connection already; what it sent can be read.
	if c.state == stateGone && c.peerDone == 0 && c.received.n == 0 {
		return nil, c.err
	}
	return c, nil
}

// attach makes a link the device's own. There is one at a time.
func (d *Device) attach(hangUp func(error)) (*link, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, net.ErrClosed
	case d.link != nil:
		return nil, errors.New("device is served already")
	}
	l := &link{dev: d, conns: make(map[key]*Conn), hangUp: hangUp}
	d.link = l
	d.serving.Add(1)
	return l, nil
}

// detach ends l and its connections.
func (d *Device) detach(l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l.rx.stop()
	l.tx.stop()
	l.resetConns(errConnReset)
	if l.mem != nil {
		l.mem.close()
		l.mem = nil
	}
	d.link = nil
	d.serving.Done()
}

// Close closes the listeners, resets the connections, ends Serve and waits until
// it has let go of the VMM's memory. Closing again does nothing.
func (d *Device) Close() error {
	d.mu.Lock()
	d.closed = true
	for _, l := range d.listeners {
		l.close()
	}
	if d.link != nil {
		for _, c := range d.link.conns {
			c.abort(net.ErrClosed)
		}
		d.link.transmit()
		d.link.hangUp(net.ErrClosed)
	}
	d.mu.Unlock()
	d.serving.Wait()
	return nil
}
