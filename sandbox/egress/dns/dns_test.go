package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// zone is a host's resolver.
type zone map[string]string // addresses, separated by spaces

func (z zone) lookup(_ context.Context, network, host string) (list []netip.Addr, err error) {
	entry, ok := z[host]
	switch {
	case entry == "broken":
		return nil, errors.New("no route to the name server")
	case !ok:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	for _, s := range strings.Fields(entry) {
		list = append(list, netip.MustParseAddr(s))
	}
	return list, nil
}

func newResolver(t testing.TB, z zone, allow ...string) *Resolver {
	t.Helper()
	p, err := policy.Parse(policy.Config{Mode: policy.Allow, Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return &Resolver{
		Lookup:  z.lookup,
		Allowed: p.Name,
		Refused: func(a netip.Addr) string { return p.Address(a, a == netip.MustParseAddr("203.0.113.99")) },
		Pins:    new(Pins),
		Local:   map[string][]netip.Addr{"host.internal": {netip.MustParseAddr("192.0.2.1")}},
	}
}

func question(t testing.TB, name string, typ dnsmessage.Type) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAnswer is the table of what a guest learns from names.
func TestAnswer(t *testing.T) {
	z := zone{
		"www.example.com.": "203.0.113.1 2001:db8::1 ::ffff:203.0.113.2",
		"rebind.example.":  "10.0.0.5 127.0.0.1 ::1 169.254.169.254",
		"mixed.example.":   "10.0.0.5 203.0.113.7",
		"host.example.":    "203.0.113.99",
		"named.example.":   "10.1.1.1",
		"many.example.":    strings.Repeat("203.0.113.4 ", 40),
		"broken.example.":  "broken",
		"secret.example.":  "203.0.113.66",
	}
	for _, tt := range []struct {
		name    string
		typ     dnsmessage.Type
		code    dnsmessage.RCode
		addrs   string
		allowed bool
	}{
		{"www.example.com.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "203.0.113.1 203.0.113.2", true},
		{"WWW.EXAMPLE.com.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, "2001:db8::1", true},
		{"www.example.com.", dnsmessage.TypeHTTPS, dnsmessage.RCodeSuccess, "", true},
		{"www.example.com.", dnsmessage.TypeTXT, dnsmessage.RCodeSuccess, "", true},
		{"www.example.com.", dnsmessage.TypeALL, dnsmessage.RCodeSuccess, "", true},
		{"none.example.com.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "", true},
		{"rebind.example.", dnsmessage.TypeA, dnsmessage.RCodeNameError, "", false},
		{"rebind.example.", dnsmessage.TypeAAAA, dnsmessage.RCodeNameError, "", false},
		{"mixed.example.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "203.0.113.7", true},
		{"host.example.", dnsmessage.TypeA, dnsmessage.RCodeNameError, "", false},
		{"named.example.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.1.1.1", true},
		{"many.example.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, strings.TrimSpace(strings.Repeat("203.0.113.4 ", 8)), true},
		{"broken.example.", dnsmessage.TypeA, dnsmessage.RCodeServerFailure, "", true},
		{"host.internal.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "192.0.2.1", true},
		{"secret.example.", dnsmessage.TypeA, dnsmessage.RCodeNameError, "", false},
		{"aGVsbG8gd29ybGQ.tunnel.secret.example.", dnsmessage.TypeTXT, dnsmessage.RCodeNameError, "", false},
		{"1.0.0.10.in-addr.arpa.", dnsmessage.TypePTR, dnsmessage.RCodeNameError, "", false},
		{"1.2.3.4.", dnsmessage.TypeA, dnsmessage.RCodeNameError, "", false},
		{".", dnsmessage.TypeNS, dnsmessage.RCodeNameError, "", false},
	} {
		r := newResolver(t, z, "*.example.com", "rebind.example", "mixed.example", "host.example", "named.example", "many.example", "broken.example", "10.1.1.1")
		reply := r.Answer(t.Context(), question(t, tt.name, tt.typ))
		var m dnsmessage.Message
		if err := m.Unpack(reply.Message); err != nil {
			t.Fatalf("%s: the reply is no message: %v", tt.name, err)
		}
		var addrs []string
		for _, a := range m.Answers {
			switch body := a.Body.(type) {
			case *dnsmessage.AResource:
				addrs = append(addrs, netip.AddrFrom4(body.A).String())
			case *dnsmessage.AAAAResource:
				addrs = append(addrs, netip.AddrFrom16(body.AAAA).String())
			}
			if a.Header.TTL != ttl {
				t.Errorf("%s: the answer may be kept %d s", tt.name, a.Header.TTL)
			}
		}
		if got := strings.Join(addrs, " "); got != tt.addrs || m.RCode != tt.code || reply.Verdict.Allowed != tt.allowed {
			t.Errorf("%s %s: %v, %q, %+v; want %v, %q, allowed %t", tt.name, tt.typ, m.RCode, got, reply.Verdict, tt.code, tt.addrs, tt.allowed)
		}
		if m.ID != 4711 || !m.Response || len(m.Questions) != 1 || len(reply.Message) > 512 {
			t.Errorf("%s: the reply is %+v", tt.name, m.Header)
		}
		for _, a := range reply.Addrs {
			if names := r.Pins.Names(a); tt.name != "host.internal." && (len(names) != 1 || names[0] != reply.Name) {
				t.Errorf("%s: %s is pinned to %q", tt.name, a, names)
			}
		}
	}
}

func TestWhatIsNoQuestion(t *testing.T) {
	r := newResolver(t, zone{}, "a.example")
	q := question(t, "a.example.", dnsmessage.TypeA)
	edit := func(at int, v byte) []byte {
		b := append([]byte(nil), q...)
		b[at] = v
		return b
	}
	for name, tt := range map[string]struct {
		b    []byte
		code dnsmessage.RCode // RCodeSuccess: no reply
	}{
		"nothing":         {nil, 0},
		"a piece":         {q[:11], 0},
		"a response":      {edit(2, 0x80), 0},
		"too long":        {append(append([]byte(nil), q...), make([]byte, MaxQuery)...), 0},
		"no question":     {edit(5, 0), dnsmessage.RCodeFormatError},
		"two questions":   {edit(5, 2), dnsmessage.RCodeFormatError},
		"a cut question":  {q[:len(q)-1], dnsmessage.RCodeFormatError},
		"an update":       {edit(2, 5<<3), dnsmessage.RCodeNotImplemented},
		"of another kind": {edit(len(q)-1, 3), dnsmessage.RCodeNotImplemented}, // CHAOS
	} {
		reply := r.Answer(t.Context(), tt.b)
		if reply.Verdict.Allowed || len(reply.Addrs) > 0 {
			t.Errorf("%s is answered: %+v", name, reply)
		}
		if tt.code == 0 {
			if reply.Message != nil {
				t.Errorf("%s has a reply", name)
			}
			continue
		}
		var m dnsmessage.Message
		if err := m.Unpack(reply.Message); err != nil || m.RCode != tt.code {
			t.Errorf("%s: %v, %v; want %v", name, m.RCode, err, tt.code)
		}
	}
}

func TestPins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pins
		a, b := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("::ffff:203.0.113.1")
		if p.Names(a) != nil {
			t.Error("the zero value knows names")
		}
		p.Add("one.example", []netip.Addr{a})
		time.Sleep(PinLife / 2)
		p.Add("two.example", []netip.Addr{b})
		if diff := cmp.Diff([]string{"one.example", "two.example"}, p.Names(a)); diff != "" {
			t.Error(diff)
		}
		time.Sleep(PinLife / 2)
		if diff := cmp.Diff([]string{"two.example"}, p.Names(b)); diff != "" {
			t.Error(diff)
		}
		for i := range 2 * maxNames {
			p.Add(fmt.Sprintf("n%d.example", i), []netip.Addr{a})
		}
		if n := p.Names(a); len(n) != maxNames || n[maxNames-1] != fmt.Sprintf("n%d.example", 2*maxNames-1) {
			t.Errorf("an address has %d names", len(n))
		}
		for i := range 2 * maxPinned {
			p.Add("many.example", []netip.Addr{netip.AddrFrom4([4]byte{11, 0, byte(i >> 8), byte(i)})})
		}
		if len(p.byAddr) != maxPinned || p.oldest.Len() != maxPinned || p.Names(a) != nil {
			t.Errorf("%d addresses are pinned, want %d, the last", len(p.byAddr), maxPinned)
		}
	})
}

// TestPinsAreTakenAlong holds that a guest which was saved finds what it remembers, for
// as long as it could have while it ran.
func TestPinsAreTakenAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p, q Pins
		a, b := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1")
		p.Add("gone.example", []netip.Addr{a})
		time.Sleep(PinLife / 2)
		p.Add("one.example", []netip.Addr{a, b})
		p.Add("two.example", []netip.Addr{a})
		time.Sleep(PinLife / 2)
		stored, err := json.Marshal(p.List())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * PinLife) // in which the guest does not run
		var read []Pin
		if err := json.Unmarshal(stored, &read); err != nil {
			t.Fatal(err)
		}
		q.Restore(read)
		for addr, want := range map[netip.Addr][]string{a: {"one.example", "two.example"}, b: {"one.example"}} {
			if diff := cmp.Diff(want, q.Names(addr)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", addr, diff)
			}
		}
		time.Sleep(PinLife / 2)
		if q.Names(a) != nil || q.List() != nil {
			t.Errorf("what was taken along lives on: %q", q.Names(a))
		}
		q.Restore([]Pin{{"old.example", a, PinLife}, {"new.example", a, -time.Hour}, {"none.example", netip.Addr{}, 0}})
		if q.Names(a) != nil {
			t.Errorf("an age that is none is taken: %q", q.Names(a))
		}
	})
}

// FuzzAnswer holds that no message breaks the server, and that none is answered
// with an address but one for an allowed name.
func FuzzAnswer(f *testing.F) {
	f.Add(question(f, "a.example.", dnsmessage.TypeA))
	f.Add(question(f, "a.example.", dnsmessage.TypeHTTPS))
	f.Add(question(f, "b.example.", dnsmessage.TypeAAAA))
	r := newResolver(f, zone{"a.example.": "203.0.113.1 10.0.0.1", "b.example.": "203.0.113.2 2001:db8::2"}, "a.example")
	f.Fuzz(func(t *testing.T, b []byte) {
		reply := r.Answer(t.Context(), b)
		if len(reply.Message) > 512+MaxQuery || len(reply.Addrs) > 0 && (reply.Name != "a.example" || reply.Addrs[0] != netip.MustParseAddr("203.0.113.1")) {
			t.Fatalf("%+v", reply)
		}
		if len(reply.Message) > 0 {
			if err := new(dnsmessage.Message).Unpack(reply.Message); err != nil {
				t.Fatalf("the reply is no message: %v", err)
			}
		}
	})
}
