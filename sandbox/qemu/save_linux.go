package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
)

// saveLimit is how long a save may take once the vsock device is out.
const saveLimit = time.Minute

// Save implements [sandbox.Saver].
func (m *machine) Save(ctx context.Context) (sandbox.State, error) {
	door, ok := m.door.(*userDoor)
	if !ok {
		return nil, fmt.Errorf("%w: a machine whose vsock device is the kernel's cannot be saved: use the door %s", sandbox.ErrSnapshotUnsupported, DoorVhostUser)
	}
	m.saving.Lock()
	defer m.saving.Unlock()
	if m.ctx.Err() != nil {
		return nil, errors.New("save machine: it has ended")
	}
	if m.unplugging {
		return nil, errors.New("save machine: the guest has still not let go of a device, as an earlier save asked it to: it may be too busy, so try again later")
	}
	s, err := m.save(ctx, door)
	if err != nil {
		return nil, fmt.Errorf("save machine: %w", err)
	}
	return s, nil
}

func (m *machine) save(ctx context.Context, door *userDoor) (*state, error) {
	var src pages = filePages{m.memory}
	if m.state != nil {
		private, err := newPrivatePages(m.child.pid(), m.memory)
		if err != nil {
			return nil, err
		}
		src = private
	}
	memory, err := newClone(src, int64(m.cfg.MemoryMiB)<<20)
	if err != nil {
		return nil, err
	}
	defer memory.close()
	if err := memory.copy(); err != nil {
		return nil, err
	}
	disk, err := newDiskClone(m.scratch)
	if err != nil {
		return nil, err
	}
	defer disk.close()
	if err := disk.copy(ctx); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	// From here on the machine is of no use until all is done, whether or not
	// anybody still wants it saved.
	ctx = context.WithoutCancel(ctx)
	if err := m.unplugNetwork(ctx); err != nil {
		return nil, fmt.Errorf("unplug network card: %w", err)
	}
	if err := m.unplugVsock(ctx, door); err != nil {
		return nil, errors.Join(fmt.Errorf("unplug vsock device: %w", err), m.plugNetwork(ctx))
	}
	saving, cancel := context.WithTimeout(ctx, saveLimit)
	defer cancel()
	// The guest did much to let the devices go.
	if err := memory.copy(); err != nil {
		return nil, errors.Join(err, m.goOn(ctx, door))
	}
	begun := time.Now()
	s, err := m.capture(saving, memory, disk)
	err = errors.Join(err, m.goOn(ctx, door))
	if err == nil {
		s.standstill = time.Since(begun)
		err = m.keep(s, memory, disk)
	}
	if err != nil {
		if s != nil {
			s.Close()
		}
		return nil, err
	}
	return s, nil
}

// capture stops the guest and completes the copy of what it is made of. The state
// is to be closed also when it fails, if there is one.
func (m *machine) capture(ctx context.Context, memory *clone, disk *diskClone) (s *state, err error) {
	if err := m.qmp.Execute(ctx, "stop", nil, nil); err != nil {
		return nil, err
	}
	s = &state{isolation: m.isolation, memoryMiB: m.cfg.MemoryMiB, cpus: m.cfg.CPUs, diskMiB: m.cfg.ScratchMiB}
	if s.devices, err = m.saveDevices(ctx); err != nil {
		return s, fmt.Errorf("save devices: %w", err)
	}
	if err := memory.update(); err != nil {
		return s, err
	}
	if err := disk.update(ctx); err != nil {
		return s, fmt.Errorf("copy scratch disk: %w", err)
	}
	return s, nil
}

// keep gives the state the copies, which are complete. The guest need not wait for
// that: to seal a large one takes as long as to compare it.
func (m *machine) keep(s *state, memory *clone, disk *diskClone) error {
	copied, err := memory.seal()
	if err != nil {
		return err
	}
	s.scratch = disk.take()
	if m.state == nil {
		s.memory = copied
		return nil
	}
	s.changed, s.over = copied, memory.copied
	s.memory, err = share(m.memory)
	return err
}

// saveDevices returns the state of all that the machine has beside its memory, in
// QEMU's format. The command is there for Xen, which saves memory by itself as
// well.
func (m *machine) saveDevices(ctx context.Context) (*os.File, error) {
	f, err := newMemory("device state", 0)
	if err != nil {
		return nil, err
	}
	err = func() error {
		w, err := reopen(f, os.O_WRONLY)
		if err != nil {
			return err
		}
		defer w.Close()
		var set struct {
			ID int `json:"fdset-id"`
		}
		if err := m.qmp.Execute(ctx, "add-fd", nil, &set, w); err != nil {
			return err
		}
		err = m.qmp.Execute(ctx, "xen-save-devices-state", map[string]any{"filename": fmt.Sprintf("/dev/fdset/%d", set.ID), "live": false}, nil)
		return errors.Join(err, m.qmp.Execute(ctx, "remove-fd", map[string]int{"fdset-id": set.ID}, nil), seal(f))
	}()
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// goOn plugs the devices in again and lets the guest run. It has a time of its own, as
// that of the save may be what has run out.
func (m *machine) goOn(ctx context.Context, door *userDoor) error {
	ctx, cancel := context.WithTimeout(ctx, saveLimit)
	defer cancel()
	if err := m.replugVsock(ctx, door); err != nil {
		return err
	}
	// A guest without its network runs on all the same.
	unplugged := m.plugNetwork(ctx)
	return errors.Join(m.qmp.Execute(ctx, "cont", nil, nil), unplugged)
}
