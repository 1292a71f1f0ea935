package initrd

import (
	"context"
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/bootlog"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/kmod"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/uevent"
	"golang.org/x/sys/unix"
)

// deviceTimeout is how long the disk may take to appear.
const deviceTimeout = time.Minute

// Run boots from the initramfs into the image and returns what the host said
// of this boot. Without a root it stays in the initramfs. agent is the path at which the agent's program is found from
// then on; it must lie under /run.
func Run(ctx context.Context, log *bootlog.Log, agent string) (desktop.Boot, error) {
	err := mountAll(
		mount{"", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		mount{"", "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		mount{"", "/dev", "devtmpfs", unix.MS_NOSUID, "mode=755"},
	)
	if err != nil {
		return desktop.Boot{}, err
	}
	events, err := uevent.Listen()
	if err != nil {
		return desktop.Boot{}, err
	}
	defer events.Close()

	log.Phase("initrd")
	boot, err := takeBoot("/" + desktop.BootFile)
	if err != nil {
		return desktop.Boot{}, err
	}
	if err := loadModules("/", desktop.ModulesFile); err != nil {
		return desktop.Boot{}, err
	}
	cmdline, err := readFile("/proc/cmdline", maxCmdline)
	if err != nil {
		return desktop.Boot{}, fmt.Errorf("read kernel's command line: %w", err)
	}
	if err := kmod.Load("/", consoleDrivers(string(cmdline))...); err != nil {
		return desktop.Boot{}, err
	}
	takeConsole("/dev/console")
	if err := kmod.Load("/", drivers(boot)...); err != nil {
		return desktop.Boot{}, err
	}
	log.Phase("modules")
	if boot.Root == (desktop.Root{}) {
		return boot, nil // the initramfs is all there is
	}

	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	for _, device := range []string{boot.Root.Device, boot.Root.Scratch} {
		if !isDevice(device) {
			continue // a tag of virtio-fs, or none
		}
		if err := awaitDevice(ctx, events, device); err != nil {
			return desktop.Boot{}, err
		}
	}
	if err := mountRoot(boot.Root, agent); err != nil {
		return desktop.Boot{}, err
	}
	if boot.Workload == nil {
		// It may get a network when it is started from a saved state.
		if err := kmod.Keep("/", newRoot+kmod.Kept, networkDriver); err != nil {
			return desktop.Boot{}, err
		}
	}
	if err := switchRoot(); err != nil {
		return desktop.Boot{}, err
	}
	log.Phase("root")
	return boot, nil
}
