package qemu

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"unsafe"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"
)

const vhostDevice = "/dev/vhost-vsock"

// kernelDoor is the kernel's virtio-vsock device. All guests of the host share
// one world of addresses, so each gets an address that is free, and only
// connections from there are let in.
type kernelDoor struct {
	*vsock.Listener
	cid uint32
	fd  int // of the open vhostDevice in QEMU
	log *slog.Logger
}

func openKernelDoor(port uint32, files *fileTable, log *slog.Logger) (*kernelDoor, error) {
	dev, err := os.OpenFile(vhostDevice, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	fd := files.add(dev)
	cid, err := claimCID(func(cid uint64) error { return setGuestCID(dev, cid) })
	if err != nil {
		return nil, err
	}
	ln, err := vsock.ListenContextID(vsock.Host, port, nil)
	if err != nil {
		return nil, fmt.Errorf("listen for the guest: %w", err)
	}
	return &kernelDoor{Listener: ln, cid: cid, fd: fd, log: log}, nil
}

func (d *kernelDoor) args(bool) []string {
	return []string{"-device", fmt.Sprintf("vhost-vsock-pci,guest-cid=%d,vhostfd=%d,disable-legacy=on", d.cid, d.fd)}
}

func (d *kernelDoor) dial(ctx context.Context, port uint32) (net.Conn, error) {
	return vsock.DialContext(ctx, d.cid, port, nil)
}

// serve only waits: the kernel runs the device.
func (d *kernelDoor) serve(ctx context.Context, _ int) error {
	<-ctx.Done()
	return nil
}

// Accept returns the next connection from this machine's guest, and closes
// those from elsewhere.
func (d *kernelDoor) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if fromGuest(c.RemoteAddr(), d.cid) {
			return c, nil
		}
		d.log.Warn("connection from another guest refused", "from", c.RemoteAddr().String())
		c.Close()
	}
}

func fromGuest(addr net.Addr, cid uint32) bool {
	a, ok := addr.(*vsock.Addr)
	return ok && a.ContextID == cid
}

// claimCID claims a free guest address, one of those that are no host's and no
// wildcard's (vsock(7)).
func claimCID(claim func(cid uint64) error) (uint32, error) {
	const attempts = 64
	var err error
	for range attempts {
		var b [4]byte
		rand.Read(b[:])
		cid := vsock.Host + 1 + binary.LittleEndian.Uint32(b[:])%(1<<31)
		if err = claim(uint64(cid)); err == nil {
			return cid, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	return 0, fmt.Errorf("claim a guest address: %w", err)
}

// vhostVsockSetGuestCID is VHOST_VSOCK_SET_GUEST_CID of linux/vhost.h,
// _IOW(0xAF, 0x60, __u64).
const vhostVsockSetGuestCID = 0x4008af60

func setGuestCID(dev *os.File, cid uint64) error {
	raw, err := dev.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, vhostVsockSetGuestCID, uintptr(unsafe.Pointer(&cid)))
	})
	if err == nil && errno != 0 {
		err = os.NewSyscallError("ioctl", errno)
	}
	return err
}

// kernelDoorAbility tells whether this process may use the kernel's device.
func kernelDoorAbility() Ability {
	dev, err := os.OpenFile(vhostDevice, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Ability{Reason: vhostDevice + " does not exist", Remedy: "modprobe vhost_vsock"}
	case errors.Is(err, os.ErrPermission):
		return Ability{Reason: err.Error(), Remedy: "join the group that owns " + vhostDevice}
	case err != nil:
		return Ability{Reason: err.Error()}
	}
	dev.Close()
	return Ability{Usable: true}
}
