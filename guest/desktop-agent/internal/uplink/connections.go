package uplink

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// connection is a TCP connection of the guest.
type connection struct {
	local, remote netip.AddrPort
}

// stateListen is that of a socket which is no connection (include/net/tcp_states.h in
// Linux).
const stateListen = 0x0a

// outgoing returns the connections in a table of the kernel's, /proc/net/tcp or
// /proc/net/tcp6, whose other end is not in the guest. Lines that are none are left
// out, and so are connections that no program has any more: those end by themselves.
func outgoing(table string) (list []connection) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line) // number, local and remote address, state, ..., inode, ...
		if len(f) < 10 || f[9] == "0" {
			continue
		}
		local, ok1 := parseAddress(f[1])
		remote, ok2 := parseAddress(f[2])
		state, err := strconv.ParseUint(f[3], 16, 8)
		if !ok1 || !ok2 || err != nil || state == stateListen || remote.Addr().Unmap().IsLoopback() {
			continue
		}
		list = append(list, connection{local, remote})
	}
	return list
}

// parseAddress parses an address as the kernel prints it: words in the machine's own
// order, and a port.
func parseAddress(s string) (netip.AddrPort, bool) {
	addr, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(addr)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || portErr != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, false
	}
	for w := b; len(w) > 0; w = w[4:] {
		native.PutUint32(w, binary.BigEndian.Uint32(w))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, uint16(n)), true
}

// destroy returns the message that ends a connection (struct inet_diag_req_v2).
func (c connection) destroy() []byte {
	const protoTCP = 6
	fixed := make([]byte, 56)
	fixed[0], fixed[1] = family(c.local.Addr()), protoTCP
	native.PutUint32(fixed[4:], ^uint32(0)) // in any state
	binary.BigEndian.PutUint16(fixed[8:], c.local.Port())
	binary.BigEndian.PutUint16(fixed[10:], c.remote.Port())
	copy(fixed[12:28], c.local.Addr().AsSlice())
	copy(fixed[28:44], c.remote.Addr().AsSlice())
	native.PutUint64(fixed[48:], ^uint64(0)) // whichever socket it is: INET_DIAG_NOCOOKIE
	return request(sockDestroy, fixed)
}
