package policy

import "net/netip"

// block is a range of addresses that is always refused.
type block struct {
	prefix netip.Prefix
	why    string
}

// refused lists what is always refused, the narrower before the wider. The ranges
// are those of the IANA special-purpose address registries (RFC 6890) that are not
// of the public network, and what clouds tell their machines secrets on.
var refused = blocks(
	"169.254.169.254/32", "cloud metadata",
	"169.254.170.2/32", "cloud metadata",
	"168.63.129.16/32", "cloud metadata",
	"100.100.100.200/32", "cloud metadata",
	"192.0.0.192/32", "cloud metadata",
	"fd00:ec2::254/128", "cloud metadata",
	"fd20:ce::254/128", "cloud metadata",

	"0.0.0.0/8", "this host",
	"10.0.0.0/8", "private",
	"100.64.0.0/10", "carrier-grade NAT",
	"127.0.0.0/8", "loopback",
	"169.254.0.0/16", "link-local",
	"172.16.0.0/12", "private",
	"192.0.0.0/24", "special purpose",
	"192.0.2.0/24", "the sandbox's own link",
	"192.168.0.0/16", "private",
	"198.18.0.0/15", "special purpose",
	"224.0.0.0/4", "multicast",
	"255.255.255.255/32", "broadcast",
	"240.0.0.0/4", "reserved",

	"::/128", "this host",
	"::1/128", "loopback",
	"::/96", "an IPv4 address in another form",
	"64:ff9b:1::/48", "an IPv4 address in another form",
	"2001::/32", "an IPv4 address in another form",
	"fc00::/7", "private",
	"fe80::/10", "link-local",
	"fec0::/10", "private",
	"ff00::/8", "multicast",
)

// Where IPv6 addresses hold IPv4 ones that somebody on the way would unwrap.
var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixTo4 = netip.MustParsePrefix("2002::/16")    // RFC 3056
	global = netip.MustParsePrefix("2000::/3")     // RFC 4291: all that is given out
)

func blocks(pairs ...string) []block {
	var list []block
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, block{netip.MustParsePrefix(pairs[i]), pairs[i+1]})
	}
	return list
}

// Refused returns why an address is refused in every mode, unless an entry is that
// very address, and "" when it is not. own says that it is one of the host's.
func Refused(a netip.Addr, own bool) string {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return "no address"
	}
	for _, b := range refused {
		if b.prefix.Contains(a) {
			return b.why
		}
	}
	switch {
	case own:
		return "of the host itself, or of a network that it is on"
	case a.Is6() && !nat64.Contains(a) && !global.Contains(a):
		return "reserved"
	}
	if inner, ok := Embedded(a); ok {
		if why := Refused(inner, false); why != "" {
			return why + ", in another form"
		}
	}
	return ""
}

// Embedded returns the address of IPv4 to which somebody on the way would unwrap one
// of IPv6. It reports whether there is one.
func Embedded(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case sixTo4.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}

// refusedBlock returns the block that p lies in, if there is one, and why that is
// refused.
func refusedBlock(p netip.Prefix) (netip.Prefix, string) {
	for _, b := range refused {
		if b.prefix.Bits() <= p.Bits() && b.prefix.Contains(p.Addr()) {
			return b.prefix, b.why
		}
	}
	return netip.Prefix{}, ""
}
