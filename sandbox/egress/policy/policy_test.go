package policy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustParse(t *testing.T, mode Mode, allow ...string) *Policy {
	t.Helper()
	p, err := Parse(Config{Mode: mode, Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tcp(addr string, names ...string) Destination {
	return Destination{Proto: TCP, Addr: netip.MustParseAddrPort(addr), Names: names}
}

func udp(addr string, names ...string) Destination {
	d := tcp(addr, names...)
	d.Proto = UDP
	return d
}

// TestWhatDoesNotParse holds that nothing which could be meant otherwise is taken
// for a policy.
func TestWhatDoesNotParse(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string // in the error
	}{
		{Config{Mode: "some"}, "is not none, allow or open"},
		{Config{Allow: []string{"example.com"}}, "the network is off"},
		{Config{Mode: Open, Allow: []string{"example.com"}}, "in mode open"},
		{Config{Mode: Open, Allow: []string{"203.0.113.0/24"}}, "in mode open"},
		{Config{Mode: Allow, Allow: []string{""}}, "no host name"},
		{Config{Mode: Allow, Allow: []string{"*"}}, "mode open"},
		{Config{Mode: Allow, Allow: []string{"*.*.example.com"}}, "first part"},
		{Config{Mode: Allow, Allow: []string{"www.*.com"}}, "first part"},
		{Config{Mode: Allow, Allow: []string{"*example.com"}}, "first part"},
		{Config{Mode: Allow, Allow: []string{"exa mple.com"}}, "no host name"},
		{Config{Mode: Allow, Allow: []string{"https://example.com"}}, "port"},
		{Config{Mode: Allow, Allow: []string{"example.com/path"}}, "not a range"},
		{Config{Mode: Allow, Allow: []string{"-x.example.com"}}, "no host name"},
		{Config{Mode: Allow, Allow: []string{"example..com"}}, "no host name"},
		{Config{Mode: Allow, Allow: []string{strings.Repeat("a", 64) + ".com"}}, "no host name"},
		{Config{Mode: Allow, Allow: []string{"127.1"}}, "no host name"},
		{Config{Mode: Allow, Allow: []string{"0x7f.1"}}, "no host name"},
		{Config{Mode: Allow, Allow: []string{"2130706433"}}, "no host name"},
		{Config{Mode: Allow, Allow: []string{"203.0.113.1/24"}}, "the range begins at 203.0.113.0"},
		{Config{Mode: Allow, Allow: []string{"203.0.113.0/33"}}, "not a range"},
		{Config{Mode: Allow, Allow: []string{"::ffff:10.0.0.0/104"}}, "IPv4 addresses as such"},
		{Config{Mode: Allow, Allow: []string{"10.1.0.0/16"}}, "always refused (private)"},
		{Config{Mode: Allow, Allow: []string{"10.0.0.0/8:*"}}, "name each"},
		{Config{Mode: Allow, Allow: []string{"127.0.0.0/8"}}, "loopback"},
		{Config{Mode: Allow, Allow: []string{"fd00::/8"}}, "private"},
		{Config{Mode: Allow, Allow: []string{"fe80::1%eth0"}}, "zone"},
		{Config{Mode: Allow, Allow: []string{"example.com:0"}}, "port"},
		{Config{Mode: Allow, Allow: []string{"example.com:"}}, "port"},
		{Config{Mode: Allow, Allow: []string{"example.com:65536"}}, "port"},
		{Config{Mode: Allow, Allow: []string{"example.com:90-80"}}, "port"},
		{Config{Mode: Allow, Allow: []string{"example.com:+80"}}, "port"},
		{Config{Mode: Allow, Allow: []string{"[2001:db8::1"}}, "]"},
		{Config{Mode: Allow, Allow: []string{"[2001:db8::1]443"}}, "colon"},
		{Config{Mode: Allow, Allow: []string{"example.com/udp"}}, "UDP needs a port"},
		{Config{Mode: Allow, Allow: []string{"example.com:443/udp"}}, "QUIC"},
		{Config{Mode: Allow, Allow: []string{"example.com:*/udp"}}, "QUIC"},
		{Config{Mode: Allow, Allow: []string{"fine.example", "b@d"}}, "b@d"},
		{Config{Mode: Allow, Allow: make([]string, MaxRules+1)}, "more than"},
	} {
		if _, err := Parse(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%v %.3q): %v, want an error with %q", tt.cfg.Mode, tt.cfg.Allow, err, tt.want)
		}
	}
}

// TestConnect is the table of what may be reached.
func TestConnect(t *testing.T) {
	type test struct {
		to   Destination
		want string // the rule, or "" for refused
	}
	own := tcp("203.0.113.80:443")
	own.Own = true
	for _, tt := range []struct {
		name   string
		policy *Policy
		tests  []test
	}{
		{"none", mustParse(t, None), []test{{tcp("203.0.113.1:443"), ""}, {tcp("203.0.113.1:443", "example.com"), ""}}},
		{"the zero value", mustParse(t, ""), []test{{tcp("203.0.113.1:443"), ""}}},
		{"an empty list", mustParse(t, Allow), []test{{tcp("203.0.113.1:443"), ""}, {tcp("203.0.113.1:443", "example.com"), ""}}},
		{"a name", mustParse(t, Allow, "Example.COM."), []test{
			{tcp("203.0.113.1:443", "example.com"), "Example.COM."},
			{tcp("203.0.113.1:80", "example.com"), "Example.COM."},
			{tcp("[2001:db8::1]:80", "example.com"), "Example.COM."},
			{tcp("203.0.113.1:443"), ""}, // nothing was answered with it
			{tcp("203.0.113.1:443", "www.example.com"), ""},
			{tcp("203.0.113.1:443", "notexample.com"), ""},
			{tcp("203.0.113.1:22", "example.com"), ""},
			{udp("203.0.113.1:443", "example.com"), ""},
			{udp("203.0.113.1:53", "example.com"), ""},
			{tcp("10.0.0.1:443", "example.com"), ""}, // rebinding
			{tcp("[::ffff:10.0.0.1]:443", "example.com"), ""},
		}},
		{"names below", mustParse(t, Allow, "*.example.com"), []test{
			{tcp("203.0.113.1:443", "www.example.com"), "*.example.com"},
			{tcp("203.0.113.1:443", "a.b.example.com"), "*.example.com"},
			{tcp("203.0.113.1:443", "example.com"), ""},
			{tcp("203.0.113.1:443", "wwwexample.com"), ""},
			{tcp("203.0.113.1:443", "www.example.com.evil.example"), ""},
		}},
		{"ports", mustParse(t, Allow, "a.example:22", "b.example:8000-8002", "c.example:*", "d.example:123/udp"), []test{
			{tcp("203.0.113.1:22", "a.example"), "a.example:22"},
			{tcp("203.0.113.1:443", "a.example"), ""},
			{tcp("203.0.113.1:7999", "b.example"), ""},
			{tcp("203.0.113.1:8000", "b.example"), "b.example:8000-8002"},
			{tcp("203.0.113.1:8002", "b.example"), "b.example:8000-8002"},
			{tcp("203.0.113.1:8003", "b.example"), ""},
			{tcp("203.0.113.1:65535", "c.example"), "c.example:*"},
			{udp("203.0.113.1:65535", "c.example"), ""},
			{udp("203.0.113.1:123", "d.example"), "d.example:123/udp"},
			{tcp("203.0.113.1:123", "d.example"), ""},
			{tcp("203.0.113.1:22", "c.example", "a.example"), "a.example:22"},
		}},
		{"ranges", mustParse(t, Allow, "203.0.113.0/24", "[2001:db8::/32]:22", "0.0.0.0/0:8080"), []test{
			{tcp("203.0.113.77:443"), "203.0.113.0/24"},
			{tcp("[::ffff:203.0.113.77]:443"), "203.0.113.0/24"},
			{tcp("203.0.114.77:443"), ""},
			{tcp("[2001:db8:1::1]:22"), "[2001:db8::/32]:22"},
			{tcp("[2001:db8:1::1]:443"), ""},
			{tcp("198.51.100.1:8080"), "0.0.0.0/0:8080"},
			{tcp("10.0.0.1:8080"), ""}, // a range names no refused address
			{tcp("127.0.0.1:8080"), ""},
			{own, ""},
		}},
		{"a refused address that is named", mustParse(t, Allow, "10.0.0.1:8080", "127.0.0.1:3000", "169.254.169.254", "203.0.113.80"), []test{
			{tcp("10.0.0.1:8080"), "10.0.0.1:8080"},
			{tcp("[::ffff:10.0.0.1]:8080"), "10.0.0.1:8080"},
			{tcp("10.0.0.1:443"), ""},
			{tcp("10.0.0.2:8080"), ""},
			{tcp("127.0.0.1:3000"), "127.0.0.1:3000"},
			{tcp("169.254.169.254:80"), "169.254.169.254"},
			{own, "203.0.113.80"},
		}},
		{"open", mustParse(t, Open, "10.0.0.1:8080"), []test{
			{tcp("203.0.113.1:443"), "open"},
			{udp("203.0.113.1:443"), "open"},
			{tcp("[2001:db8::1]:25"), "open"},
			{tcp("10.0.0.1:8080"), "10.0.0.1:8080"},
			{tcp("10.0.0.1:8081"), ""},
			{udp("10.0.0.1:8080"), ""},
			{own, ""},
		}},
	} {
		for _, c := range tt.tests {
			v := tt.policy.Connect(c.to)
			if v.Rule != c.want || v.Allowed != (c.want != "") || v.Allowed == (v.Reason != "") {
				t.Errorf("%s: %s %v %q: %+v, want the rule %q", tt.name, c.to.Proto, c.to.Addr, c.to.Names, v, c.want)
			}
		}
	}
}

// TestRefused names each kind of address that is refused in every mode, in all the
// forms that reach it, and their neighbours that are not.
func TestRefused(t *testing.T) {
	for _, a := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.0", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
		"169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1",
		"192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
		"168.63.129.16", "100.100.100.200",
		"::", "::1", "::7f00:1", "::a00:1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::", "2002:a9fe:a9fe::1", "2001:0:1::1", "4000::1", "100::1",
	} {
		addr := netip.MustParseAddr(a)
		if Refused(addr, false) == "" {
			t.Errorf("%s is not refused", a)
		}
		if v := mustParse(t, Open).Connect(Destination{Proto: TCP, Addr: netip.AddrPortFrom(addr, 443)}); v.Allowed {
			t.Errorf("%s can be reached in mode open: %+v", a, v)
		}
		if v := mustParse(t, Allow, "x.example:*").Connect(Destination{Proto: TCP, Addr: netip.AddrPortFrom(addr, 443), Names: []string{"x.example"}}); v.Allowed {
			t.Errorf("%s can be reached through an allowed name: %+v", a, v)
		}
	}
	for _, a := range []string{
		"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "192.0.1.255", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "203.0.113.1", "223.255.255.255",
		"2000::1", "2606:4700::1111", "2001:db8::1", "64:ff9b::101:101", "2002:101:101::1", "::ffff:1.1.1.1",
	} {
		if why := Refused(netip.MustParseAddr(a), false); why != "" {
			t.Errorf("%s is refused: %s", a, why)
		}
		if Refused(netip.MustParseAddr(a), true) == "" {
			t.Errorf("%s is not refused as an address of the host", a)
		}
	}
	if Refused(netip.Addr{}, false) == "" {
		t.Error("the zero address is not refused")
	}
}

func TestEmbedded(t *testing.T) {
	for in, want := range map[string]string{
		"64:ff9b::a00:1": "10.0.0.1", "2002:cb00:7101::1": "203.0.113.1", "2001:db8::a00:1": "", "64:ff9c::a00:1": "", "203.0.113.1": "",
	} {
		got, ok := Embedded(netip.MustParseAddr(in))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s holds %s, %t; want %q", in, got, ok, want)
		}
	}
}

func TestNamesOfAnAddressThatSeveralShare(t *testing.T) {
	p := mustParse(t, Allow, "a.example", "*.b.example")
	v := p.Connect(tcp("203.0.113.1:443", "x.b.example", "evil.example", "a.example"))
	if diff := cmp.Diff([]string{"a.example", "x.b.example"}, v.Names); diff != "" || !v.Allowed {
		t.Errorf("%+v (-want +got):\n%s", v, diff)
	}
	if v := mustParse(t, Allow, "a.example", "203.0.113.0/24").Connect(tcp("203.0.113.1:443", "a.example")); v.Names != nil {
		t.Errorf("an address that is allowed by itself is bound to the names %q", v.Names)
	}
}

func TestName(t *testing.T) {
	p := mustParse(t, Allow, "a.example:22", "*.b.example", "203.0.113.1")
	for name, want := range map[string]bool{"a.example": true, "x.a.example": false, "b.example": false, "y.x.b.example": true, "203.0.113.1": false} {
		if v := p.Name(name); v.Allowed != want || v.Allowed == (v.Reason != "") {
			t.Errorf("%s: %+v, want allowed %t", name, v, want)
		}
	}
	if !mustParse(t, Open).Name("any.example").Allowed || mustParse(t, None).Name("any.example").Allowed {
		t.Error("open answers not for all names, or none for some")
	}
}

func TestCanonicalName(t *testing.T) {
	for in, want := range map[string]string{
		"Example.COM": "example.com", "a.example.": "a.example", "bücher.example": "xn--bcher-kva.example", "_dmarc.a.example": "_dmarc.a.example", "localhost": "localhost",
		"": "", ".": "", "a..b": "", "a b": "", "1.2.3.4": "", "0x7f000001": "", "a.1": "", "-a.b": "", "a\x00.b": "", "[::1]": "",
	} {
		if got, ok := CanonicalName(in); got != want && ok || ok != (want != "") {
			t.Errorf("CanonicalName(%q) = %q, %t; want %q", in, got, ok, want)
		}
	}
}
