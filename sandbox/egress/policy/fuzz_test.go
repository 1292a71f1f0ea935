package policy

import (
	"net/netip"
	"testing"
)

// FuzzRule holds that an entry which is understood allows what it says and opens no
// refused address but the one that it is.
func FuzzRule(f *testing.F) {
	for _, s := range []string{
		"example.com", "*.example.com:8443", "203.0.113.0/24:*", "[2001:db8::1]:22", "time.example:123/udp", "10.0.0.1", "0.0.0.0/0", "::/0", "bücher.example:1-65535", "[::ffff:1.2.3.4]:1",
	} {
		f.Add(s, []byte{10, 0, 0, 1}, uint16(443))
	}
	f.Fuzz(func(t *testing.T, entry string, address []byte, port uint16) {
		p, err := Parse(Config{Mode: Allow, Allow: []string{entry}})
		if err != nil {
			return
		}
		if r := p.rules[0]; !r.covers(r) || (r.name == "") != r.prefix.IsValid() || len(r.ports) == 0 {
			t.Fatalf("%q is understood as %+v", entry, r)
		}
		addr, ok := netip.AddrFromSlice(address)
		if !ok {
			return
		}
		for _, own := range []bool{false, true} {
			for _, proto := range []Proto{TCP, UDP} {
				d := Destination{Proto: proto, Addr: netip.AddrPortFrom(addr, port), Own: own, Names: []string{"example.com", "x.example.com"}}
				v := p.Connect(d)
				if v.Allowed && Refused(addr, own) != "" && p.rules[0].prefix != netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()) {
					t.Fatalf("%q opens %s: %+v", entry, addr, v)
				}
				if v.Allowed && !p.rules[0].fits(proto, port) {
					t.Fatalf("%q opens the port %d", entry, port)
				}
				if n, err := p.Narrow(p.Config()); err != nil || n.Connect(d).Allowed != v.Allowed {
					t.Fatalf("%q within itself is another policy: %v", entry, err)
				}
			}
		}
	})
}
