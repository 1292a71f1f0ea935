package qemu

import (
	"context"
	"fmt"
	"os"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/qemu/internal/qmp"
)

// openMemory opens the guest's memory: a cold machine's own, which is empty, or
// that of the state, which all machines from it share until they write.
func (m *machine) openMemory(context.Context) (err error) {
	if m.state != nil {
		m.memory, err = share(m.state.memory)
	} else {
		m.memory, err = newMemory("guest memory", int64(m.cfg.MemoryMiB)<<20)
	}
	if err != nil {
		return err
	}
	theirs, err := share(m.memory)
	if err != nil {
		m.memory.Close()
		return err
	}
	m.cmd.memoryFD = m.files.add(theirs)
	return nil
}

func (m *machine) closeMemory() { m.memory.Close() }

// load gives the guest what its state has over the memory that it shares, and has
// QEMU load the state of the devices. These look into the memory meanwhile, so it
// comes first.
func (m *machine) load(ctx context.Context) error {
	if m.state.changed != nil {
		own, err := newPrivatePages(m.child.pid(), m.memory)
		if err != nil {
			return err
		}
		if err := m.state.applyChanges(own); err != nil {
			return err
		}
	}
	err := m.qmp.Execute(ctx, "migrate-set-capabilities", map[string]any{"capabilities": []map[string]any{
		{"capability": "events", "state": true},
	}}, nil)
	if err != nil {
		return err
	}
	devices, err := reopen(m.state.devices, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer devices.Close()
	if err := m.qmp.Execute(ctx, "getfd", map[string]string{"fdname": "state"}, nil, devices); err != nil {
		return err
	}
	ended := m.events.expect(func(e qmp.Event) bool {
		status := e.Field("status")
		return e.Name == "MIGRATION" && (status == "completed" || status == "failed")
	})
	defer m.events.forget(ended)
	if err := m.qmp.Execute(ctx, "migrate-incoming", map[string]string{"uri": "fd:state"}, nil); err != nil {
		return err
	}
	e, err := ended.wait(ctx, m.qmp.Done())
	if err != nil {
		return err
	}
	if e.Field("status") == "failed" {
		return fmt.Errorf("%w: QEMU refused it", sandbox.ErrUnusable)
	}
	return nil
}

// plugVsock puts the vsock device, with which no state can be saved, into the
// machine.
func (m *machine) plugVsock(ctx context.Context) error {
	return m.qmp.Execute(ctx, "device_add", m.door.(*userDoor).deviceAdd(), nil)
}

// resume lets the guest run.
func (m *machine) resume(ctx context.Context) error {
	return m.qmp.Execute(ctx, "cont", nil, nil)
}
