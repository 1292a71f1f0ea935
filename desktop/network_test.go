package desktop

import "testing"

func TestNetworkValidate(t *testing.T) {
	good := func() *Network {
		return &Network{
			MAC: "02:76:6d:00:00:02", Addresses: []string{"192.0.2.254/30"}, Gateways: []string{"192.0.2.253"},
			GatewayMAC: "02:76:6d:00:00:01", Nameserver: "192.0.2.253", MTU: 1500,
		}
	}
	if err := good().Validate(); err != nil {
		t.Errorf("a good network: %v", err)
	}
	for name, spoil := range map[string]func(*Network){
		"no address":        func(n *Network) { n.Addresses = nil },
		"many addresses":    func(n *Network) { n.Addresses = make([]string, maxNetwork+1) },
		"many gateways":     func(n *Network) { n.Gateways = make([]string, maxNetwork+1) },
		"a bare address":    func(n *Network) { n.Addresses[0] = "192.0.2.254" },
		"a named gateway":   func(n *Network) { n.Gateways[0] = "gateway" },
		"no name server":    func(n *Network) { n.Nameserver = "" },
		"no MAC":            func(n *Network) { n.MAC = "" },
		"a long MAC":        func(n *Network) { n.GatewayMAC = "02:76:6d:00:00:00:00:01" },
		"a small MTU":       func(n *Network) { n.MTU = 1279 },
		"an MTU beyond all": func(n *Network) { n.MTU = 65536 },
	} {
		n := good()
		spoil(n)
		if n.Validate() == nil {
			t.Errorf("%s is valid", name)
		}
		if w := (Welcome{Protocol: Version, Resume: &Boot{Token: "x", Network: n}}); w.Validate() == nil {
			t.Errorf("a welcome with %s is valid", name)
		}
	}
}
