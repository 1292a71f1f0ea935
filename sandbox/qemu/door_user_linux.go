package qemu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/vmette/vmette-mcp/sandbox/vhostvsock"
)

// guestCID is the vsock address of every guest: each has a device, and with it
// a world of addresses, of its own.
const guestCID = 3

// vsockDevice is QEMU's name for the device of a userDoor.
const vsockDevice = "vsock"

// userDoor is a virtio-vsock device in this process. It can be taken out of the
// machine and be plugged in again.
type userDoor struct {
	net.Listener
	dev  *vhostvsock.Device
	plug *plug
	fd   int // of QEMU's end of the first plug's socket
}

// plug is one stay of the device in the machine.
type plug struct {
	number int
	conn   *net.UnixConn // to QEMU
	ctx    context.Context
	pull   context.CancelCauseFunc
	served chan struct{} // closed when serve has returned
}

func newPlug(number int, conn *net.UnixConn) *plug {
	p := &plug{number: number, conn: conn, served: make(chan struct{})}
	p.ctx, p.pull = context.WithCancelCause(context.Background())
	return p
}

// socket is QEMU's name for its end of the socket.
func (p *plug) socket() string { return fmt.Sprintf("vsock-socket%d", p.number) }

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
	return &userDoor{Listener: ln, dev: dev, fd: fd, plug: newPlug(0, conn)}, nil
}

func (d *userDoor) args(device bool) []string {
	a := []string{"-chardev", socketFD(d.plug.socket(), d.fd)}
	if device {
		a = append(a, "-device", "vhost-user-vsock-pci,id="+vsockDevice+",chardev="+d.plug.socket()+",bus="+vsockPort+",disable-legacy=on")
	}
	return a
}

// deviceAdd are the arguments of the command that puts the device into a machine
// that is there already.
func (d *userDoor) deviceAdd() map[string]string {
	return map[string]string{
		"driver": "vhost-user-vsock-pci", "id": vsockDevice, "chardev": d.plug.socket(), "bus": vsockPort, "disable-legacy": "on",
	}
}

func (d *userDoor) dial(ctx context.Context, port uint32) (net.Conn, error) {
	return d.dev.Dial(ctx, port)
}

// serve runs the device for its present plug.
func (d *userDoor) serve(ctx context.Context, pid int) error {
	p := d.plug
	defer close(p.served)
	defer context.AfterFunc(ctx, func() { p.pull(context.Cause(ctx)) })()
	return d.dev.Serve(p.ctx, p.conn, pid)
}

// unplug ends serve, which must have been called, with cause. The guest's
// connections end; the listener stays.
func (d *userDoor) unplug(cause error) {
	d.plug.pull(cause)
	<-d.plug.served
}

// replug makes the device ready for another serve, after unplug, and returns
// QEMU's end of its new socket, which is the caller's.
func (d *userDoor) replug() (theirs *os.File, err error) {
	theirs, conn, err := socketPair("vsock")
	if err != nil {
		return nil, err
	}
	d.plug = newPlug(d.plug.number+1, conn)
	return theirs, nil
}

// Close ends the device and every connection of the guest.
func (d *userDoor) Close() error {
	err := d.dev.Close()
	if cerr := d.plug.conn.Close(); !errors.Is(cerr, net.ErrClosed) { // serve closes it too
		err = errors.Join(err, cerr)
	}
	return err
}
