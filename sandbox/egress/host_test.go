package egress

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// TestOfHost holds of whatever host the test runs on.
func TestOfHost(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"} {
		if !ofHost(netip.MustParseAddr(a)) {
			t.Errorf("%s is not one of the host's", a)
		}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, ifa := range all {
		p := netip.MustParsePrefix(ifa.String())
		if !ofHost(p.Addr()) {
			t.Errorf("%s is not one of the host's", p.Addr())
		}
		if next := p.Addr().Next(); p.Contains(next) && !ofHost(next) {
			t.Errorf("%s is not of a network that the host is on", next)
		}
	}
	if ofHost(netip.MustParseAddr("198.51.100.7")) {
		t.Error("an address of documentation is one of the host's")
	}
}

// An address of IPv6 that leads to the host's one of IPv4 is the host's as well.
func TestOwnAddressInAnotherForm(t *testing.T) {
	w := newWorld(t, policy.Open)
	w.own["203.0.113.80"] = true
	server := echo(t)
	for addr, want := range map[string]bool{
		"203.0.113.80:7":          false,
		"[64:ff9b::cb00:7150]:7":  false,
		"[2002:cb00:7150::1]:7":   false,
		"[64:ff9b::cb00:7151]:7":  true,
		"[2002:cb00:7151::1]:7":   true,
		"[2001:db8::cb00:7150]:7": true,
	} {
		w.put(addr, server)
		if got, err := w.says(addr, "x"); want != (got == "x") {
			t.Errorf("%s: %q, %v; want an answer: %t", addr, got, err, want)
		}
	}
}

// Whatever the host's addresses were said to be, it does not connect to itself.
func TestConnectionToItself(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, tt := range []struct {
		mode  policy.Mode
		allow []string
		want  bool
	}{
		{policy.Open, nil, false},
		{policy.Allow, []string{"198.51.100.0/24:*"}, false},
		{policy.Open, []string{"198.51.100.1:*"}, true}, // it is named
	} {
		w := newWorld(t, tt.mode, tt.allow...)
		// Only who was told of such a route knows that it is the host's: see TestNamespace
		// for a real one.
		w.net.cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, ln.Addr().String())
			if err != nil {
				return nil, err
			}
			return at{c, address}, nil
		}
		c, err := w.guest.dial(t.Context(), "tcp", "198.51.100.1:7")
		if (err == nil) != tt.want {
			t.Errorf("%s %q: %v, want a connection: %t", tt.mode, tt.allow, err, tt.want)
		}
		if err == nil {
			c.Close()
		} else {
			w.entry("blocked tcp 198.51.100.1:7", "of the host itself")
		}
	}
}

// at is a connection both of whose ends are at one address.
type at struct {
	net.Conn
	address string
}

func (c at) LocalAddr() net.Addr { return c.RemoteAddr() }

func (c at) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.address))
}
