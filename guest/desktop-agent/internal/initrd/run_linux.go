package initrd

import (
	"context"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/bootlog"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/uevent"
	"golang.org/x/sys/unix"
)

// deviceTimeout is how long the disk may take to appear.
const deviceTimeout = time.Minute

// Run boots from the initramfs into the image and returns what the host said
// of this boot. agent is the path at which the agent's program is found from
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
	takeConsole("/dev/console")
	log.Phase("modules")

	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	if err := awaitDevice(ctx, events, boot.Root.Device); err != nil {
		return desktop.Boot{}, err
	}
	if err := mountRoot(boot.Root, agent); err != nil {
		return desktop.Boot{}, err
	}
	if err := switchRoot(); err != nil {
		return desktop.Boot{}, err
	}
	log.Phase("root")
	return boot, nil
}
