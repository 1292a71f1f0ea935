package initrd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/uevent"
	"golang.org/x/sys/unix"
)

// overlaySize is how much of the guest's memory what it writes to its disk may
// take. The rest is for its programs.
const overlaySize = "50%"

// mount is one file system of a root that is being made. An empty source means
// that the type says all.
type mount struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
}

func (m mount) do() error {
	if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	source := m.source
	if source == "" {
		source = m.fstype
	}
	if err := unix.Mount(source, m.target, m.fstype, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, m.target, err)
	}
	return nil
}

func mountAll(mounts ...mount) error {
	for _, m := range mounts {
		if err := m.do(); err != nil {
			return err
		}
	}
	return nil
}

// awaitDevice returns when the device node exists. events must have been
// listened to since before the device's driver was loaded.
func awaitDevice(ctx context.Context, events *uevent.Listener, device string) error {
	for {
		_, err := os.Stat(device)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, err := events.Next(ctx); err != nil {
			return fmt.Errorf("wait for device %s: %w", device, err)
		}
	}
}

// The directories that Run works in until it leaves the initramfs.
const (
	lowerDir = "/lower"
	upperDir = "/upper"
	newRoot  = "/newroot"
)

// upper returns the file system that takes what is written.
func upper(root desktop.Root) mount {
	if root.Scratch != "" {
		return mount{root.Scratch, upperDir, scratchType, 0, ""}
	}
	return mount{"", upperDir, "tmpfs", 0, "mode=755,size=" + overlaySize}
}

// mountRoot makes the new root, with everything that belongs under it.
func mountRoot(root desktop.Root, agent string) error {
	base := mount{root.Device, newRoot, root.Type, 0, ""}
	if !root.Writable {
		if err := mountLayers(root); err != nil {
			return err
		}
		base = mount{"overlay", newRoot, "overlay", 0, "lowerdir=" + lowerDir + ",upperdir=" + upperDir + "/data,workdir=" + upperDir + "/work"}
	}
	err := mountAll(
		base,
		mount{"", newRoot + "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
		mount{"/dev", newRoot + "/dev", "", unix.MS_MOVE, ""},
		mount{"/proc", newRoot + "/proc", "", unix.MS_MOVE, ""},
		mount{"/sys", newRoot + "/sys", "", unix.MS_MOVE, ""},
	)
	if err != nil {
		return err
	}
	target := newRoot + agent
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(target, nil, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/"+desktop.AgentFile, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind the agent to %s: %w", target, err)
	}
	return nil
}

// mountLayers mounts what the root is an overlay of.
func mountLayers(root desktop.Root) error {
	err := mountAll(
		mount{root.Device, lowerDir, root.Type, unix.MS_RDONLY, ""},
		upper(root),
	)
	if err != nil {
		return err
	}
	for _, d := range []string{"data", "work"} {
		if err := os.Mkdir(filepath.Join(upperDir, d), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// switchRoot frees what the initramfs holds in memory beside the agent and
// makes the new root the root of this process, all its threads included.
func switchRoot() error {
	modules, _, _ := strings.Cut(desktop.ModulesFile, "/")
	for _, dir := range []string{"/lib", "/" + modules} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if err := unix.Chdir(newRoot); err != nil {
		return fmt.Errorf("enter the new root: %w", err)
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the new root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("change root: %w", err)
	}
	return unix.Chdir("/")
}
