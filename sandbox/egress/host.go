package egress

import (
	"net"
	"net/netip"
)

// ofHost reports whether an address is one of the host's, or of a network that the
// host is on: who is there may trust its neighbours. It is looked up each time,
// because it changes; when that fails every address counts as one.
func ofHost(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, ifa := range all {
		p, err := netip.ParsePrefix(ifa.String())
		if err == nil && netip.PrefixFrom(p.Addr().Unmap(), p.Bits()).Contains(a) {
			return true
		}
	}
	return routedToHost(a)
}

// routedToHost reports whether the host takes what is sent to an address for itself,
// though it be on no interface, as with a route of the type local. Then such an
// address is the source of what is sent to it as well. Nothing is sent.
func routedToHost(a netip.Addr) bool {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 9)))
	if err != nil {
		return false // there is no route to it at all
	}
	defer c.Close()
	return sameAddress(c.LocalAddr(), c.RemoteAddr())
}

// sameAddress reports whether two ends of a connection are at one address.
func sameAddress(a, b net.Addr) bool {
	x, errX := netip.ParseAddrPort(a.String())
	y, errY := netip.ParseAddrPort(b.String())
	return errX == nil && errY == nil && x.Addr().Unmap() == y.Addr().Unmap()
}
