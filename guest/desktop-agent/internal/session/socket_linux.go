package session

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// awaitSocket returns when a server listens on the X socket at path. An X
// server binds its socket early and answers on it late: a client that is
// started in between is loaded by the time that it is answered.
func awaitSocket(ctx context.Context, path string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch for %s: %w", path, err)
	}
	watch := os.NewFile(uintptr(fd), "inotify")
	defer watch.Close()
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_CREATE); err != nil {
		return fmt.Errorf("watch for %s: %w", path, err)
	}
	defer context.AfterFunc(ctx, func() { watch.SetReadDeadline(time.Unix(1, 0)) })()
	var events [4096]byte
	for !listening(ctx, path) {
		if _, err := watch.Read(events[:]); err != nil {
			return fmt.Errorf("watch for %s: %w", path, err)
		}
	}
	return nil
}

// listening tries the abstract socket of the same name, which X servers listen
// on before they make the file: so there is no moment in which the file is
// there and its server would refuse.
func listening(ctx context.Context, path string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", "@"+path)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
