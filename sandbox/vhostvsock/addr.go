package vhostvsock

import (
	"net"
	"strconv"
)

// HostCID is the context identifier of the host (VIRTIO 1.2, 5.10.4).
const HostCID = 2

// portAny is VMADDR_PORT_ANY, which names no port.
const portAny = 1<<32 - 1

// Addr is the address of one end of a connection.
type Addr struct {
	CID  uint64 // HostCID or the guest's
	Port uint32
}

var _ net.Addr = Addr{}

// Network returns "vsock".
func (Addr) Network() string { return "vsock" }

// String returns the address as "cid:port".
func (a Addr) String() string {
	return strconv.FormatUint(a.CID, 10) + ":" + strconv.FormatUint(uint64(a.Port), 10)
}

// opError returns err as the error of op between two ends, either of which may
// be nil.
func opError(op string, local, remote net.Addr, err error) error {
	return &net.OpError{Op: op, Net: "vsock", Source: local, Addr: remote, Err: err}
}
