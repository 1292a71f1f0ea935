package egress

import (
	"encoding/binary"
	"net/netip"
)

// What is read of frames: IEEE 802.3, RFC 791, RFC 8200.
const (
	etherHeader = 14
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd

	ipv4Header = 20
	ipv6Header = 40

	protoTCP    = 6
	protoUDP    = 17
	protoICMP   = 1
	protoICMPv6 = 58
)

// maxFrame is the longest frame, in bytes.
const maxFrame = etherHeader + MTU

// dropped is why a frame is, and where it was to go.
type dropped struct {
	reason string // "" for what every guest sends and nobody misses
	to     netip.Addr
}

// packetOf returns the IP packet of a frame from the guest with this card, if it is one that the
// stack may see: TCP or UDP from the guest's own address to a single other one,
// whole, and without options. Anything else could at best mislead who looks at it.
func packetOf(frame []byte, mac [6]byte) (packet []byte, ether uint16, drop dropped, ok bool) {
	if len(frame) < etherHeader || len(frame) > maxFrame {
		return nil, 0, dropped{}, false
	}
	if [6]byte(frame[6:12]) != mac {
		return nil, 0, dropped{reason: "its hardware address is not the guest's"}, false
	}
	ether, packet = binary.BigEndian.Uint16(frame[12:]), frame[etherHeader:]
	switch ether {
	case etherIPv4:
		packet, drop, ok = checkIPv4(packet)
	case etherIPv6:
		packet, drop, ok = checkIPv6(packet)
	}
	return packet, ether, drop, ok
}

func checkIPv4(b []byte) ([]byte, dropped, bool) {
	if len(b) < ipv4Header || b[0]>>4 != 4 {
		return nil, dropped{reason: "its IPv4 header is broken"}, false
	}
	to := netip.AddrFrom4([4]byte(b[16:20]))
	no := func(reason string) ([]byte, dropped, bool) { return nil, dropped{reason, to}, false }
	size := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case b[0]&0xf != ipv4Header/4:
		return no("it has IP options")
	case size < ipv4Header || size > len(b):
		return no("its IPv4 header is broken")
	case binary.BigEndian.Uint16(b[6:])&0xbfff != 0: // all but "don't fragment"
		return no("it is a fragment")
	case to.IsMulticast() || to == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return nil, dropped{}, false // announcements to neighbours, of which there are none
	case netip.AddrFrom4([4]byte(b[12:16])) != guest4:
		return no("its source address is not the guest's")
	case to.IsLoopback() || to.IsUnspecified():
		return no("it is for the loopback of another machine")
	case b[9] == protoICMP:
		return no("ICMP is not carried")
	case b[9] != protoTCP && b[9] != protoUDP:
		return no("it is neither TCP nor UDP")
	}
	return b[:size], dropped{}, true
}

func checkIPv6(b []byte) ([]byte, dropped, bool) {
	if len(b) < ipv6Header || b[0]>>4 != 6 {
		return nil, dropped{reason: "its IPv6 header is broken"}, false
	}
	to := netip.AddrFrom16([16]byte(b[24:40]))
	no := func(reason string) ([]byte, dropped, bool) { return nil, dropped{reason, to}, false }
	size := ipv6Header + int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case size > len(b):
		return no("its IPv6 header is broken")
	case to.IsMulticast():
		return nil, dropped{}, false
	case netip.AddrFrom16([16]byte(b[8:24])) != guest6:
		return no("its source address is not the guest's")
	case to.IsLoopback() || to.IsUnspecified():
		return no("it is for the loopback of another machine")
	case to.Is4In6():
		return no("its address is one of IPv4, in a form that is not for packets")
	case b[6] == protoICMPv6 && to == gateway6:
		return nil, dropped{}, false // the neighbour, whom the guest knows
	case b[6] == protoICMPv6:
		return no("ICMP is not carried")
	case b[6] != protoTCP && b[6] != protoUDP:
		return no("it is neither TCP nor UDP, or has extension headers")
	}
	return b[:size], dropped{}, true
}
