package vz

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// card is a network card. What its guest sends goes to this program and nowhere
// else: the framework's own networks are not used.
type card struct {
	mac   net.HardwareAddr
	mtu   int      // of the packets that it takes, in bytes
	cable *os.File // the framework's end of it: a socket with one Ethernet frame in each message
}

// What waits in each end of a cable, in bytes. Apple wants the second to be four
// times the first (VZFileHandleNetworkDeviceAttachment).
const (
	sendBuffer    = 1 << 20
	receiveBuffer = 4 * sendBuffer
)

// openNetwork makes the machine's network card and its cable, if it has one.
func (m *machine) openNetwork(context.Context) error {
	n := m.boot.Network
	if n == nil {
		return nil
	}
	mac, err := net.ParseMAC(n.MAC)
	if err != nil {
		return err
	}
	ours, theirs, err := newCable()
	if err != nil {
		return err
	}
	m.frames = ours
	m.spec.card = &card{mac: mac, mtu: n.MTU, cable: theirs}
	return nil
}

// closeNetwork pulls the cable of a machine that does not run.
func (m *machine) closeNetwork() {
	if m.frames == nil {
		return
	}
	m.frames.Close() // fails only if whoever serves it has closed it
	m.spec.card.cable.Close()
}

// Frames implements [sandbox.Networked].
func (m *machine) Frames() net.Conn { return m.frames }

// newCable returns the two ends of a cable, the framework's as a file.
func newCable() (ours net.Conn, theirs *os.File, err error) {
	syscall.ForkLock.RLock() // macOS has no SOCK_CLOEXEC
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair for network: %w", err)
	}
	for _, fd := range fds {
		// The system takes less where it is told to; then less waits.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	end := os.NewFile(uintptr(fds[0]), "network")
	defer end.Close() // FileConn duplicates it
	theirs = os.NewFile(uintptr(fds[1]), "network")
	conn, err := net.FileConn(end)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("use socket pair for network: %w", err)
	}
	return lossy{conn}, theirs, nil
}

// lossy is a cable that loses the frames for which it has no room, as Ethernet
// does. Where Linux has the sender of a message wait, macOS refuses it, and tells
// nobody when there is room again.
type lossy struct{ net.Conn }

// Write sends a frame.
func (l lossy) Write(frame []byte) (int, error) {
	n, err := l.Conn.Write(frame)
	if errors.Is(err, unix.ENOBUFS) {
		return len(frame), nil
	}
	return n, err
}
