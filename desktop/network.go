package desktop

import (
	"fmt"
	"net"
	"net/netip"
)

// Network is what a guest needs to know of its network card. Nothing of it is
// learnt from the network: there is one other machine on the link, the gateway.
type Network struct {
	MAC        string   `json:"mac"`         // of the card, as [net.HardwareAddr] writes it
	Addresses  []string `json:"addresses"`   // of the card, as [netip.Prefix] writes them
	Gateways   []string `json:"gateways"`    // one of each family, as [netip.Addr] writes them
	GatewayMAC string   `json:"gateway_mac"` // of all of them
	Nameserver string   `json:"nameserver"`
	MTU        int      `json:"mtu"` // of the link, in bytes
}

// maxNetwork bounds the lists of a [Network].
const maxNetwork = 8

// Validate reports a network that no guest could set up.
func (n *Network) Validate() error {
	if len(n.Addresses) == 0 || len(n.Addresses) > maxNetwork || len(n.Gateways) > maxNetwork {
		return fmt.Errorf("network: %d addresses and %d gateways are not between 1 and %d", len(n.Addresses), len(n.Gateways), maxNetwork)
	}
	for _, s := range n.Addresses {
		if _, err := netip.ParsePrefix(s); err != nil {
			return fmt.Errorf("network: %.60q is no address with its prefix", s)
		}
	}
	for _, s := range append([]string{n.Nameserver}, n.Gateways...) {
		if _, err := netip.ParseAddr(s); err != nil {
			return fmt.Errorf("network: %.60q is no address", s)
		}
	}
	for _, s := range []string{n.MAC, n.GatewayMAC} {
		if mac, err := net.ParseMAC(s); err != nil || len(mac) != 6 {
			return fmt.Errorf("network: %.40q is no hardware address", s)
		}
	}
	if n.MTU < 1280 || n.MTU > 65535 {
		return fmt.Errorf("network: an MTU of %d is not between 1280 and 65535", n.MTU)
	}
	return nil
}
