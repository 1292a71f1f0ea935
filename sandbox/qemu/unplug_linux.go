package qemu

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/qemu/internal/qmp"
)

// unplugLimit is how long a save waits for the guest to let go of its vsock device.
// One that does not is very busy, broken, or hostile.
const unplugLimit = 10 * time.Second

var errUnplugged = errors.New("device unplugged")

// unplugVsock takes the device, whose state QEMU cannot save, out of the
// machine. The guest's connections end. The caller holds saving.
func (m *machine) unplugVsock(ctx context.Context, door *userDoor) error {
	ctx, cancel := context.WithTimeoutCause(ctx, unplugLimit, fmt.Errorf("%w: the guest did not let go of it within %v", sandbox.ErrTimeout, unplugLimit))
	defer cancel()
	gone := m.events.expect(func(e qmp.Event) bool { return e.Name == "DEVICE_DELETED" && e.Field("device") == vsockDevice })
	err := m.qmp.Execute(ctx, "device_del", map[string]string{"id": vsockDevice}, nil)
	if err == nil {
		_, err = gone.wait(ctx, m.qmp.Done())
	}
	if err != nil && ctx.Err() != nil {
		// The guest has been asked, which cannot be taken back.
		m.unplugging = true
		m.wg.Go(func() { m.awaitUnplugged(gone, door) })
		return err
	}
	m.events.forget(gone)
	if err != nil {
		return err
	}
	door.unplug(errUnplugged)
	return nil
}

// awaitUnplugged plugs the device in again when the guest lets go of it after
// nobody waits for that any more: it would be cut off for ever otherwise.
func (m *machine) awaitUnplugged(gone *awaited, door *userDoor) {
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
	door.unplug(errUnplugged)
	ctx, cancel := context.WithTimeout(m.ctx, saveLimit)
	defer cancel()
	if err := m.replugVsock(ctx, door); err != nil && m.ctx.Err() == nil {
		m.fail(fmt.Errorf("plug it in again: %w", err))
	}
}

// replugVsock puts the device, which was taken out, into the machine again.
func (m *machine) replugVsock(ctx context.Context, door *userDoor) error {
	// What is left of the old socket does no harm if QEMU is not done with it yet.
	if err := m.qmp.Execute(ctx, "chardev-remove", map[string]string{"id": door.plug.socket()}, nil); err != nil {
		m.log.Debug("remove socket of vsock device", "err", err)
	}
	theirs, err := door.replug()
	if err != nil {
		return err
	}
	defer theirs.Close()
	if err := m.qmp.Execute(ctx, "getfd", map[string]string{"fdname": "vsock"}, nil, theirs); err != nil {
		return err
	}
	err = m.qmp.Execute(ctx, "chardev-add", map[string]any{
		"id": door.plug.socket(),
		"backend": map[string]any{"type": "socket", "data": map[string]any{
			"addr": map[string]any{"type": "fd", "data": map[string]string{"str": "vsock"}}, "server": false,
		}},
	}, nil)
	if err != nil {
		return err
	}
	m.serveVsock()
	return m.plugVsock(ctx)
}
