package machine

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// MountShares mounts the directories of the host where it wants them.
func MountShares(root string, shares []desktop.Share) error {
	for _, s := range shares {
		target := filepath.Join(root, s.Target)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
		if s.ReadOnly {
			flags |= unix.MS_RDONLY
		}
		if err := unix.Mount(s.Tag, target, "virtiofs", flags, ""); err != nil {
			return fmt.Errorf("mount share %s on %s: %w", s.Tag, s.Target, err)
		}
	}
	return nil
}
