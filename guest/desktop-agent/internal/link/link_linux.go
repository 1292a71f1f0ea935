package link

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/mdlayher/vsock"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/uevent"
)

// Times between tries when nothing announces itself, such as for a host that
// does not listen yet.
const (
	firstDelay = 50 * time.Millisecond
	lastDelay  = 2 * time.Second
)

// How long a try may take. Linux forgets what it was to send when its driver was not
// quite ready for it, and gives up waiting for the answer after two seconds.
const (
	firstLimit = 200 * time.Millisecond
	lastLimit  = 2 * time.Second
)

// Dialer dials one port of the host.
type Dialer struct {
	Port uint32
	// Failed, if not nil, is told of the first failure of every Dial.
	Failed func(error)
}

// Dial returns a connection to the host as soon as there can be one, or the
// reason why ctx ended before.
func (d Dialer) Dial(ctx context.Context) (net.Conn, error) {
	// Listening comes first: a device that arrives after a try is announced.
	events, err := uevent.Listen()
	if err != nil {
		return nil, err
	}
	defer events.Close()
	return retry(ctx, d.try, func(ctx context.Context) error { return awaitVirtio(ctx, events) })
}

func (d *Dialer) try(ctx context.Context) (net.Conn, error) {
	conn, err := vsock.DialContext(ctx, desktop.HostCID, d.Port, nil)
	if err != nil {
		if d.Failed != nil {
			d.Failed(err)
			d.Failed = nil
		}
		return nil, err
	}
	return conn, nil
}

// awaitVirtio waits for a virtio device to have its driver, or for the kernel
// to have dropped events, of which that may have been one. That a device was added
// is too early: see firstLimit.
func awaitVirtio(ctx context.Context, events *uevent.Listener) error {
	for {
		e, err := events.Next(ctx)
		if err != nil {
			return err
		}
		if e.Action == "lost" || e.Subsystem == "virtio" && e.Action == "bind" {
			return nil
		}
	}
}

// retry calls try until it succeeds: after every event, and after a delay that
// grows. So does the time that a try may take.
func retry(ctx context.Context, try func(context.Context) (net.Conn, error), event func(context.Context) error) (net.Conn, error) {
	delay, limit := firstDelay, firstLimit
	for {
		attempt, giveUp := context.WithTimeout(ctx, limit)
		conn, err := try(attempt)
		giveUp()
		if err == nil {
			return conn, nil
		}
		limit = min(2*limit, lastLimit)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("dial host: %w", err)
		}
		wait, cancel := context.WithTimeout(ctx, delay)
		if event(wait) == nil {
			delay = firstDelay
		} else {
			<-wait.Done() // an event that cannot be had must not make the loop spin
			delay = min(2*delay, lastDelay)
		}
		cancel()
	}
}
