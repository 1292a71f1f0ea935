package uplink

import (
	"encoding/binary"
	"net/netip"
)

// Messages to the kernel's routing socket: see rtnetlink(7) in Linux. Numbers are in
// the machine's own order, addresses in that of the network.
const (
	rtmSetLink  = 19
	rtmNewAddr  = 20
	rtmNewRoute = 24
	rtmNewNeigh = 28
	sockDestroy = 21 // of the socket for socket diagnostics: sock_diag(7)

	flagRequest = 0x1
	flagAck     = 0x4
	flagReplace = 0x100
	flagCreate  = 0x400

	familyIPv4 = 2
	familyIPv6 = 10

	attrMTU          = 4 // IFLA_MTU
	attrAddress      = 1 // IFA_ADDRESS
	attrLocal        = 2 // IFA_LOCAL
	attrNeighAddress = 1 // NDA_DST
	attrNeighMAC     = 2 // NDA_LLADDR
	attrRouteDevice  = 4 // RTA_OIF
	attrRouteGateway = 5 // RTA_GATEWAY

	linkUp         = 1    // IFF_UP
	addrNoDAD      = 0x02 // IFA_F_NODAD: there is nobody whose address it could be
	neighPermanent = 0x80 // NUD_PERMANENT
	routeTableMain = 254
	routeProtoBoot = 3
	routeUnicast   = 1

	headerSize = 16
)

var native = binary.NativeEndian

func family(a netip.Addr) byte {
	if a.Is4() {
		return familyIPv4
	}
	return familyIPv6
}

// request returns a message: a header, the fixed part of its kind, and attributes.
func request(kind uint16, fixed []byte, attributes ...[]byte) []byte {
	b := make([]byte, headerSize)
	b = append(b, fixed...)
	for _, a := range attributes {
		b = append(b, a...)
	}
	native.PutUint32(b, uint32(len(b)))
	native.PutUint16(b[4:], kind)
	flags := uint16(flagRequest | flagAck)
	if kind != rtmSetLink && kind != sockDestroy {
		flags |= flagCreate | flagReplace
	}
	native.PutUint16(b[6:], flags)
	native.PutUint32(b[8:], 1)
	return b
}

// attribute returns an attribute, padded to four bytes.
func attribute(kind uint16, value []byte) []byte {
	b := make([]byte, 4, 8+len(value))
	native.PutUint16(b, uint16(4+len(value)))
	native.PutUint16(b[2:], kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func word(v uint32) []byte { return native.AppendUint32(nil, v) }

// raise returns the message that switches a card on.
func raise(index, mtu int) []byte {
	fixed := make([]byte, 16) // struct ifinfomsg
	native.PutUint32(fixed[4:], uint32(index))
	native.PutUint32(fixed[8:], linkUp)
	native.PutUint32(fixed[12:], linkUp)
	return request(rtmSetLink, fixed, attribute(attrMTU, word(uint32(mtu))))
}

// addAddress returns the message that gives a card an address.
func addAddress(index int, p netip.Prefix) []byte {
	fixed := make([]byte, 8) // struct ifaddrmsg
	fixed[0], fixed[1] = family(p.Addr()), byte(p.Bits())
	if p.Addr().Is6() {
		fixed[2] = addrNoDAD
	}
	native.PutUint32(fixed[4:], uint32(index))
	a := p.Addr().AsSlice()
	return request(rtmNewAddr, fixed, attribute(attrLocal, a), attribute(attrAddress, a))
}

// addNeighbour returns the message that names a neighbour's hardware address.
func addNeighbour(index int, a netip.Addr, mac []byte) []byte {
	fixed := make([]byte, 12) // struct ndmsg
	fixed[0] = family(a)
	native.PutUint32(fixed[4:], uint32(index))
	native.PutUint16(fixed[8:], neighPermanent)
	return request(rtmNewNeigh, fixed, attribute(attrNeighAddress, a.AsSlice()), attribute(attrNeighMAC, mac))
}

// addRoute returns the message that has everything else go through a gateway.
func addRoute(index int, gateway netip.Addr) []byte {
	fixed := make([]byte, 12) // struct rtmsg
	fixed[0], fixed[4], fixed[5], fixed[7] = family(gateway), routeTableMain, routeProtoBoot, routeUnicast
	return request(rtmNewRoute, fixed, attribute(attrRouteGateway, gateway.AsSlice()), attribute(attrRouteDevice, word(uint32(index))))
}
