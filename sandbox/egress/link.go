package egress

import (
	"crypto/rand"
	"net/netip"
)

// The link between guest and gateway. Every sandbox has one of its own, so all have
// the same addresses; only that of the card is another one at each start, so that a
// guest which goes on from a saved state does not take its new card for the old one.
// Those of IPv4 are of a range that is never given out (RFC
// 5737), so they stand in the way of nobody; those of IPv6 are unique local ones,
// with which programs prefer IPv4 where they have the choice (RFC 6724).
var (
	gateway4 = netip.MustParseAddr("192.0.2.253")
	gateway6 = netip.MustParseAddr("fd76:6d65:7474:6500::1")
	guest4   = netip.MustParseAddr("192.0.2.254")
	guest6   = netip.MustParseAddr("fd76:6d65:7474:6500::2")

	gatewayMAC = [6]byte{0x02, 0x76, 0x6d, 0x00, 0x00, 0x01} // locally administered, unicast
)

// MTU is the largest IP packet on the link, in bytes. No packet goes further than
// that, and each costs an emulated guest much the same, however long it is.
const MTU = 16 << 10

// HostName is the name under which the guest finds the gateway. A connection to it
// is one to the host's loopback, which is refused unless that is allowed by name.
const HostName = "host.vmette.internal"

// Link says what a guest must be told to use the network.
type Link struct {
	MAC        [6]byte        // of its card, which [Config] must have too
	Addresses  []netip.Prefix // of its card
	Gateways   []netip.Addr   // one of each family; the one of IPv4 is the name server as well
	GatewayMAC [6]byte
	MTU        int
}

// Guest returns what a guest is told: what every guest is, and a MAC that no other has.
func Guest() Link {
	return Link{
		MAC:        randomMAC(),
		Addresses:  []netip.Prefix{netip.PrefixFrom(guest4, 30), netip.PrefixFrom(guest6, 64)},
		Gateways:   []netip.Addr{gateway4, gateway6},
		GatewayMAC: gatewayMAC,
		MTU:        MTU,
	}
}

// randomMAC returns an address that is locally administered and one card's.
func randomMAC() (mac [6]byte) {
	rand.Read(mac[:])
	mac[0] = mac[0]&^1 | 2
	return mac
}
