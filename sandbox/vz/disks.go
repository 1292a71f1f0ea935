package vz

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

// disk is a raw image, or a block device of the host. The framework takes no other
// format, so nothing in a guest's disk can choose one.
type disk struct {
	path     string
	readOnly bool
	device   *os.File // the block device, open for as long as the machine lives; nil for an image
}

// disks returns those of cfg.
func disks(cfg sandbox.Config) []disk {
	var disks []disk
	if cfg.Root.Path != "" {
		disks = append(disks, disk{path: cfg.Root.Path, readOnly: true})
	}
	for _, d := range cfg.Disks {
		disks = append(disks, disk{path: d.Path, readOnly: d.ReadOnly})
	}
	return disks
}

// openDisks looks at the machine's disks, of which the framework says little when it
// cannot have them, and opens those that are block devices.
func (m *machine) openDisks(context.Context) error {
	for i := range m.spec.disks {
		if err := m.spec.disks[i].open(); err != nil {
			m.closeDisks()
			return fmt.Errorf("%w: %w", sandbox.ErrIO, err)
		}
	}
	return nil
}

func (m *machine) closeDisks() {
	for i := range m.spec.disks {
		if d := &m.spec.disks[i]; d.device != nil {
			d.device.Close()
			d.device = nil
		}
	}
}

// open finds out what the disk is, and whether it is free. The framework locks images
// itself, and waits for as long as somebody else has them: a lock of ours would stand
// in its way, but who is refused here need not wait.
func (d *disk) open() error {
	flags, lock := os.O_RDWR, unix.LOCK_EX
	if d.readOnly {
		flags, lock = os.O_RDONLY, unix.LOCK_SH
	}
	// To open a pipe would wait for its other end.
	f, err := os.OpenFile(d.path, flags|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer func() {
		if d.device == nil {
			f.Close() // and with it the lock
		}
	}()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	block := fi.Mode()&(os.ModeDevice|os.ModeCharDevice) == os.ModeDevice
	if !block && !fi.Mode().IsRegular() {
		return fmt.Errorf("disk %s is neither a file nor a block device", d.path)
	}
	if err := unix.Flock(int(f.Fd()), lock|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("disk %s is in use, and one of its users writes to it", d.path)
	}
	if block {
		d.device = f
	}
	return nil
}
