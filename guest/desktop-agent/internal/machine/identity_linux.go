package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// SetHostname names the machine, for the kernel and in /etc.
func SetHostname(root, name string) error {
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set hostname: %w", err)
	}
	return writeHostname(root, name)
}

func writeHostname(root, name string) error {
	hosts := "127.0.0.1 localhost\n127.0.1.1 " + name + "\n::1 localhost ip6-localhost ip6-loopback\n"
	// The image of a single program may have no such directory.
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(root, "etc/hostname"), []byte(name+"\n"), 0o644),
		os.WriteFile(filepath.Join(root, "etc/hosts"), []byte(hosts), 0o644),
	)
}

// NewMachineID gives the machine an identity that no other one shares, even if
// the image brings one. See machine-id(5).
func NewMachineID(root string) error {
	var id [16]byte
	if _, err := unix.Getrandom(id[:], 0); err != nil {
		return fmt.Errorf("make machine id: %w", err)
	}
	line := fmt.Appendf(nil, "%x\n", id)
	name := filepath.Join(root, "etc/machine-id")
	// The old file may be read-only or a link to nowhere.
	os.Remove(name)
	if err := os.WriteFile(name, line, 0o444); err != nil {
		return err
	}
	// D-Bus has one of its own, which mostly is a link to the first.
	dbus := filepath.Join(root, "var/lib/dbus/machine-id")
	if info, err := os.Lstat(dbus); err == nil && info.Mode().IsRegular() {
		os.Remove(dbus)
		return os.WriteFile(dbus, line, 0o444)
	}
	return nil
}

// SetClock sets the wall clock to t.
func SetClock(t time.Time) error {
	tv := unix.NsecToTimeval(t.UnixNano())
	if err := unix.Settimeofday(&tv); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	return nil
}

// AdvanceClock sets the wall clock to t unless it is later already: a guest's
// clock may be behind, but never is it right to set it back.
func AdvanceClock(t time.Time) error {
	if !time.Now().Before(t) {
		return nil
	}
	return SetClock(t)
}

// RaiseLoopback brings the interface lo up; the kernel gives it 127.0.0.1.
func RaiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	req.SetUint16(req.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("raise loopback: %w", err)
	}
	return nil
}
