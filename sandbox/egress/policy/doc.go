// Package policy says where the network of a sandbox may reach. It decides, and
// does nothing: it opens no connection, asks no resolver and looks at no clock.
//
//	p, err := policy.Parse(policy.Config{Mode: policy.Allow, Allow: []string{"*.example.com"}})
//	if err != nil {
//		return err // and start nothing
//	}
//	v := p.Connect(policy.Destination{Proto: policy.TCP, Addr: addr, Names: []string{"www.example.com"}})
//
// An entry of the list is a name, an address or a range of addresses, and may name
// ports. Names are matched against what the sandbox's own resolver answered for
// them, so who decides must remember which addresses those were: see
// [Destination.Names].
//
// Some addresses are refused in every mode, because what is there trusts whoever
// can reach it: see [Refused]. Each of them can be permitted only by an entry that
// is that one address.
package policy
