package uplink

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// cutConnections ends the guest's TCP connections but those with itself. In a guest
// that was started from a saved state nobody is at their other ends any more; who
// waits to be written to would wait for ever.
func cutConnections() error {
	before, err := connections()
	if err != nil || len(before) == 0 {
		return err
	}
	var errs []error
	for _, c := range before {
		// That it is not found means that it has ended by itself, or that the kernel
		// lacks what finds it, which it has modprobe load.
		if err := send(unix.NETLINK_SOCK_DIAG, c.destroy()); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("end connections of before: %w", err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	after, err := connections()
	if err != nil {
		return err
	}
	for _, c := range after {
		if slices.Contains(before, c) {
			return errors.New("end connections of before: the kernel cannot, as the image has no modprobe or not the module tcp_diag")
		}
	}
	return nil
}

// connections returns those that are not with the guest itself.
func connections() (list []connection, err error) {
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // as without IPv6 in the kernel
			return nil, fmt.Errorf("list connections: %w", err)
		}
		list = append(list, outgoing(string(table))...)
	}
	return list, nil
}
