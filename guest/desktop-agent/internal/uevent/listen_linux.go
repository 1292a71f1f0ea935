package uevent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// kernelGroup is the multicast group of the kernel's own messages; udev repeats
// them to another one.
const kernelGroup = 1

// maxMessage is more than the kernel's UEVENT_BUFFER_SIZE with its header.
const maxMessage = 8 << 10

// Listener receives the events of the kernel. One goroutine may use it at a
// time. It needs no privilege.
type Listener struct {
	f   *os.File
	buf [maxMessage]byte
}

// Listen begins to receive events. The Listener must be closed.
func Listen() (*Listener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open uevent socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind uevent socket: %w", err)
	}
	return &Listener{f: os.NewFile(uintptr(fd), "uevent")}, nil
}

// Next waits for an event or for the end of ctx.
func (l *Listener) Next(ctx context.Context) (Event, error) {
	defer context.AfterFunc(ctx, func() { l.f.SetReadDeadline(time.Unix(1, 0)) })()
	for {
		// An earlier wait that was given up may have left its deadline.
		l.f.SetReadDeadline(time.Time{})
		if ctx.Err() != nil {
			return Event{}, ctx.Err()
		}
		n, err := l.f.Read(l.buf[:])
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case errors.Is(err, unix.ENOBUFS):
			return Event{Action: "lost"}, nil
		case err != nil:
			return Event{}, fmt.Errorf("read uevent: %w", err)
		}
		if e, err := parse(l.buf[:n]); err == nil {
			return e, nil
		}
	}
}

// Close ends the Listener.
func (l *Listener) Close() error { return l.f.Close() }
