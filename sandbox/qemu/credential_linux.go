package qemu

import (
	"crypto/rand"
	"encoding/binary"
	"os"
	"strings"
	"syscall"
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
