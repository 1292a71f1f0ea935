package qemu

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox/vhostvsock"
)

// Machines of a server that is root run as users of a range that no
// distribution gives out (systemd's UIDS-GIDS lists it as unused), each as
// another one, so that a guest that breaks out of its QEMU is nobody and meets
// nobody.
const (
	firstUID = 0x7000_0000
	uidRange = 0x0f00_0000
)

// unprivileged returns whom a machine is to run as: nil for the same user, when
// that is not root, or is root only of a user namespace and so nobody outside.
func unprivileged() *syscall.Credential {
	if os.Geteuid() != 0 || !allMapped("/proc/self/uid_map") || !allMapped("/proc/self/gid_map") {
		return nil
	}
	var b [4]byte
	rand.Read(b[:])
	id := firstUID + binary.LittleEndian.Uint32(b[:])%uidRange
	return &syscall.Credential{Uid: id, Gid: id}
}

// userAbility tells whether a server that is root can run its machines as other
// users. In a container, root lacks some of what that takes.
func userAbility(door Door) Ability {
	if unprivileged() == nil {
		return Ability{Usable: true} // nothing is to be given up
	}
	have, err := effectiveCaps()
	if err != nil {
		return Ability{Reason: err.Error()}
	}
	lacks := lackedCaps(have, door)
	if len(lacks) == 0 {
		return Ability{Usable: true}
	}
	return Ability{
		Reason: "root lacks " + strings.Join(lacks, " and ") + " here",
		Remedy: "run the server as an ordinary user, or in a container add the capability, as docker run --cap-add does",
	}
}

// lackedCaps names what is not in have of the capabilities that it takes to
// run machines with this door as other users.
func lackedCaps(have uint64, door Door) (names []string) {
	for _, c := range []struct {
		bit  int
		name string
		need bool
	}{
		{unix.CAP_SETUID, "CAP_SETUID", true},
		{unix.CAP_SETGID, "CAP_SETGID", true},
		{unix.CAP_KILL, "CAP_KILL", true},
		{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE", door != DoorVhost}, // the device accesses the machine's memory
	} {
		if c.need && have&(1<<c.bit) == 0 {
			names = append(names, c.name)
		}
	}
	return names
}

// effectiveCaps returns the capabilities of this process, a bit for each
// (capabilities(7)).
func effectiveCaps() (uint64, error) {
	var data [2]unix.CapUserData // version 3 has 64 bits
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return 0, os.NewSyscallError("capget", err)
	}
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), nil
}

// tryAccess starts a QEMU as cred, and tells what forbids this process to access
// its memory. What decides that, from Yama to a container's seccomp filter, is
// too much to be foretold.
func tryAccess(binary string, cred *syscall.Credential) error {
	cmd := exec.Command(binary, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "none", "-S")
	cmd.Dir, cmd.Env = "/", []string{}
	c, err := startChild(cmd, nil, childOptions{cred: cred})
	if err != nil {
		return fmt.Errorf("start QEMU: %w", err)
	}
	defer func() {
		c.kill()
		c.wait()
	}()
	return vhostvsock.CheckAccess(c.pid())
}

// allMapped reports whether the user namespace has all ids, each as itself
// (user_namespaces(7)), as the initial one has.
func allMapped(path string) bool {
	data, err := os.ReadFile(path)
	return err == nil && strings.Join(strings.Fields(string(data)), " ") == "0 0 4294967295"
}

// withKVM adds the group that /dev/kvm is for to cred.
func withKVM(cred *syscall.Credential) *syscall.Credential {
	if cred == nil {
		return nil
	}
	fi, err := os.Stat(kvmDevice)
	if err != nil {
		return cred
	}
	with := *cred
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Gid != 0 && fi.Mode().Perm()&0o060 == 0o060 {
		with.Groups = []uint32{st.Gid}
	}
	return &with
}
