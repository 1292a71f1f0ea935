package qemu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/vmette/vmette-mcp/sandbox/vhostvsock"
)

// guestCID is the vsock address of every guest: each has a device, and with it
// a world of addresses, of its own.
const guestCID = 3

// userDoor is a virtio-vsock device in this process.
type userDoor struct {
	net.Listener
	dev  *vhostvsock.Device
	conn *net.UnixConn // to QEMU
	fd   int           // of the other end in QEMU
}

func openUserDoor(port uint32, files *fileTable, log *slog.Logger) (*userDoor, error) {
	dev, err := vhostvsock.New(vhostvsock.Config{GuestCID: guestCID, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("make vsock device: %w", err)
	}
	ln, err := dev.Listen(port)
	if err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	fd, conn, err := files.addSocket("vsock")
	if err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	return &userDoor{Listener: ln, dev: dev, conn: conn, fd: fd}, nil
}

func (d *userDoor) args() []string {
	return []string{
		"-chardev", socketFD("vsock", d.fd),
		"-device", "vhost-user-vsock-pci,chardev=vsock,disable-legacy=on",
	}
}

func (d *userDoor) serve(ctx context.Context, pid int) error { return d.dev.Serve(ctx, d.conn, pid) }

// Close ends the device and every connection of the guest.
func (d *userDoor) Close() error {
	err := d.dev.Close()
	if cerr := d.conn.Close(); !errors.Is(cerr, net.ErrClosed) { // serve closes it too
		err = errors.Join(err, cerr)
	}
	return err
}
