package qemu

import (
	"context"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/qemu/internal/qmp"
)

// QEMU's names for the network card and for the cable in it.
const (
	networkDevice = "card"
	networkCable  = "cable"
)

// frameBuffer is how many bytes of frames wait in a socket, each way.
const frameBuffer = 1 << 20

// openNetwork makes the cable of the machine's network card, if it has one.
func (m *machine) openNetwork(context.Context) error {
	if m.boot.Network == nil {
		return nil
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make socket pair for network: %w", err)
	}
	for _, fd := range fds {
		// The kernel takes less where it is told to; then there is more waiting.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, frameBuffer)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "network"), os.NewFile(uintptr(fds[1]), "network")
	defer ours.Close() // FileConn duplicates it
	if m.frames, err = net.FileConn(ours); err != nil {
		theirs.Close()
		return fmt.Errorf("use socket pair for network: %w", err)
	}
	m.cmd.networkFD = m.files.add(theirs)
	return nil
}

func (m *machine) closeNetwork() {
	if m.frames != nil {
		m.frames.Close() // fails only if whoever serves it has closed it
	}
}

// Frames implements [sandbox.Networked].
func (m *machine) Frames() net.Conn { return m.frames }

// networkArgs returns the arguments for the cable, and for the card of a machine that
// boots: into others it is plugged, since no state has one. There is no ROM to boot
// from.
func (m *machine) networkArgs() []string {
	if m.boot.Network == nil {
		return nil
	}
	a := []string{"-netdev", fmt.Sprintf("dgram,id=%s,local.type=fd,local.str=%d", networkCable, m.cmd.networkFD)}
	if m.state == nil {
		n := m.boot.Network
		a = append(a, "-device", fmt.Sprintf("virtio-net-pci,id=%s,netdev=%s,bus=%s,disable-legacy=on,mac=%s,host_mtu=%d,romfile=",
			networkDevice, networkCable, networkPort, n.MAC, n.MTU))
	}
	return a
}

// plugNetwork puts the card into a machine that is there already.
func (m *machine) plugNetwork(ctx context.Context) error {
	if m.boot.Network == nil {
		return nil
	}
	return m.qmp.Execute(ctx, "device_add", map[string]any{
		"driver": "virtio-net-pci", "id": networkDevice, "netdev": networkCable, "bus": networkPort, "disable-legacy": "on",
		"mac": m.boot.Network.MAC, "host_mtu": m.boot.Network.MTU, "romfile": "",
	}, nil)
}

// unplugNetwork takes the card out, so that it is in no saved state: what starts from
// one gets another card, or none. The cable stays, and with it the connections of the
// guest that goes on. The caller holds saving.
func (m *machine) unplugNetwork(ctx context.Context) error {
	if m.boot.Network == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, unplugLimit, fmt.Errorf("%w: the guest did not let go of it within %v", sandbox.ErrTimeout, unplugLimit))
	defer cancel()
	gone := m.events.expect(func(e qmp.Event) bool { return e.Name == "DEVICE_DELETED" && e.Field("device") == networkDevice })
	err := m.qmp.Execute(ctx, "device_del", map[string]string{"id": networkDevice}, nil)
	if err == nil {
		_, err = gone.wait(ctx, m.qmp.Done())
	}
	if err != nil && ctx.Err() != nil {
		m.unplugging = true
		m.wg.Go(func() { m.awaitNetworkUnplugged(gone) })
		return err
	}
	m.events.forget(gone)
	return err
}

// awaitNetworkUnplugged plugs the card in again when the guest lets go of it after
// nobody waits for that any more.
func (m *machine) awaitNetworkUnplugged(gone *awaited) {
	defer m.events.forget(gone)
	if _, err := gone.wait(m.ctx, m.qmp.Done()); err != nil {
		return // the machine has ended
	}
	m.saving.Lock()
	defer m.saving.Unlock()
	if m.ctx.Err() != nil {
		return
	}
	m.unplugging = false
	ctx, cancel := context.WithTimeout(m.ctx, saveLimit)
	defer cancel()
	if err := m.plugNetwork(ctx); err != nil && m.ctx.Err() == nil {
		m.log.Error("the network card of a guest cannot be plugged in again: it has no network any more", "err", err)
	}
}
