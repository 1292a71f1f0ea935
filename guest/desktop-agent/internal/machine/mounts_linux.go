package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Mount adds what a system needs beside /dev, /proc, /sys and /run.
func Mount() error {
	const common = unix.MS_NOSUID | unix.MS_NOEXEC
	for _, m := range []struct {
		target, fstype string
		flags          uintptr
		data           string
	}{
		{"/dev/pts", "devpts", common, "mode=620,gid=5,ptmxmode=666"},
		{"/dev/shm", "tmpfs", common | unix.MS_NODEV, "mode=1777"},
		{cgroupRoot, "cgroup2", common | unix.MS_NODEV, ""},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.fstype, m.target, m.fstype, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.fstype, m.target, err)
		}
	}
	for link, target := range map[string]string{
		"/dev/fd":     "/proc/self/fd",
		"/dev/stdin":  "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1",
		"/dev/stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, link); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return makeDirs("/", []dir{
		{"tmp", 0o777 | fs.ModeSticky},
		{"tmp/.X11-unix", 0o777 | fs.ModeSticky},
		{"tmp/.ICE-unix", 0o777 | fs.ModeSticky},
		{"run/lock", 0o777 | fs.ModeSticky},
		{"run/user", 0o755},
		{"run/dbus", 0o755},
		{"var/log/vmette", 0o755},
	})
}

type dir struct {
	name string
	mode fs.FileMode
}

// makeDirs makes directories with exactly these modes, whatever the umask.
func makeDirs(root string, dirs []dir) error {
	for _, d := range dirs {
		name := root + d.name
		if err := os.MkdirAll(name, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(name, d.mode); err != nil {
			return err
		}
	}
	return nil
}

// RuntimeDir makes the user's directory for sockets and the like, which is
// empty at every boot and open to nobody else.
func RuntimeDir(u User) (string, error) {
	name := fmt.Sprintf("/run/user/%d", u.UID)
	if err := os.MkdirAll(name, 0o700); err != nil {
		return "", err
	}
	return name, os.Chown(name, u.UID, u.GID)
}
