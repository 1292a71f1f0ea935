package sandbox

import (
	"fmt"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
)

// BlockDisk is a disk of a guest beside its root: a raw image or a block device of
// the host. The guest sees those of a config in their order: from /dev/vdb on, behind
// a [RootfsBlock], or else from /dev/vda on.
// While a sandbox may write to one no other sandbox has it, and none may write to
// one that several have.
type BlockDisk struct {
	Path     string
	ReadOnly bool
}

// Bounds of what a guest has beside its root.
const (
	maxDisks      = 8
	minScratchMiB = 16
	maxScratchMiB = 16 << 20
)

// rootDevice is the guest's name for the disk that holds [Config.Root]: a
// backend attaches it as the first virtio block device, [Config.Disks] after it, and
// the scratch disk as the last.
const rootDevice = "/dev/vda"

// device returns the guest's name for the disk number n, counted from 0.
func device(n int) string { return "/dev/vd" + string(rune('a'+n)) }

// bootRoot returns what a guest is told of its root.
func (c Config) bootRoot() desktop.Root {
	if c.NoSwitchRoot {
		return desktop.Root{}
	}
	r, disks := desktop.Root{Device: rootDevice, Type: c.Root.Format}, 1
	if c.RootShare.Path != "" {
		r, disks = desktop.Root{Device: rootTag, Type: "virtiofs", Writable: c.RootShare.Writable}, 0
	}
	if c.ScratchMiB > 0 {
		r.Scratch = device(disks + len(c.Disks))
	}
	return r
}

func (c Config) validateDisks(errs *problems) {
	if n := len(c.Disks); n > maxDisks {
		errs.add("%d disks are more than %d", n, maxDisks)
	}
	for i, d := range c.Disks {
		if d.Path == "" || strings.ContainsRune(d.Path, 0) {
			errs.add("disk %d has no path: name that of an image or a block device", i+1)
		}
	}
	switch s := c.ScratchMiB; {
	case s == 0:
	case s < minScratchMiB || s > maxScratchMiB:
		errs.add("scratch disk of %d MiB is not between %d and %d", s, minScratchMiB, maxScratchMiB)
	case c.NoSwitchRoot:
		errs.add("a scratch disk is for the root's writes, and there is no root")
	case c.RootShare.Writable:
		errs.add("a scratch disk is for the root's writes, which reach the host's directory: leave out one of them")
	}
}

// saveable returns an error that matches ErrSnapshotUnsupported if a sandbox of c
// cannot be saved: what it has would not be in the saved state.
func (c Config) saveable() error {
	switch {
	case c.Workload == WorkloadOneShot:
		return fmt.Errorf("%w: a sandbox that runs a command is not saved", ErrSnapshotUnsupported)
	case len(c.SharedDirectories()) > 0:
		return fmt.Errorf("%w: a sandbox with shares of the host is not saved", ErrSnapshotUnsupported)
	case len(c.Disks) > 0:
		return fmt.Errorf("%w: what is on a sandbox's own disks is not saved", ErrSnapshotUnsupported)
	}
	return nil
}
