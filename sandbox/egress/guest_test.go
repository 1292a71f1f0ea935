package egress

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// guestMAC is the address of the guest's card.
var guestMAC = [6]byte{0x02, 0x76, 0x6d, 0x00, 0x00, 0x02}

// world is a network with a guest in it, and what is outside. Servers listen on
// loopback and are found under other addresses.
type world struct {
	t     testing.TB
	net   *Network
	guest *guest

	mu    sync.Mutex
	where map[string]string // what a destination, such as "203.0.113.1:443", really is
	names map[string]string // addresses of a name that ends with a dot
	own   map[string]bool   // addresses of the host
	log   []audit.Entry
	more  chan struct{} // closed, and replaced, when the log grows
}

// newWorld returns a world whose network has a policy. Its parts end with the test.
func newWorld(t testing.TB, mode policy.Mode, allow ...string) *world {
	t.Helper()
	return newWorldWith(t, func(*world, *Config) {}, mode, allow...)
}

// newWorldWith is newWorld for a network whose config is changed before it begins.
func newWorldWith(t testing.TB, change func(*world, *Config), mode policy.Mode, allow ...string) *world {
	t.Helper()
	w := &world{t: t, where: make(map[string]string), names: make(map[string]string), own: make(map[string]bool), more: make(chan struct{})}
	ours, theirs := datagramPair(t)
	cfg := Config{
		Frames: ours,
		MAC:    guestMAC,
		Policy: w.policy(mode, allow...),
		Lookup: w.lookup,
		Dial:   w.dial,
		Own:    func(a netip.Addr) bool { return w.own[a.String()] },
		OnEntry: func(e audit.Entry) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.log = append(w.log, e)
			close(w.more)
			w.more = make(chan struct{})
		},
	}
	change(w, &cfg)
	var err error
	if w.net, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	w.guest = newGuest(t, theirs)
	t.Cleanup(func() {
		if err := w.net.Close(); err != nil {
			t.Errorf("close network: %v", err)
		}
		w.guest.close()
	})
	return w
}

func (w *world) policy(mode policy.Mode, allow ...string) *policy.Policy {
	w.t.Helper()
	p, err := policy.Parse(policy.Config{Mode: mode, Allow: allow})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// put makes an address outside lead to a server.
func (w *world) put(addr string, server net.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.where[addr] = server.String()
}

func (w *world) name(name, addrs string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name+"."] = addrs
}

func (w *world) lookup(_ context.Context, network, host string) (list []netip.Addr, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range strings.Fields(w.names[host]) {
		if a := netip.MustParseAddr(s); a.Is4() == (network == "ip4") {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return list, nil
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	real, ok := w.where[address]
	w.mu.Unlock()
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return new(net.Dialer).DialContext(ctx, network, real)
}

// blocked returns the lines of what was blocked.
func (w *world) blocked() (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.log {
		if e.Verdict == audit.Blocked {
			lines = append(lines, e.String())
		}
	}
	return lines
}

// datagramPair returns a pair of sockets that keep messages apart.
func datagramPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]net.Conn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "frames")
		if conns[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return conns[0], conns[1]
}

// guest is a machine at the other end of the link.
type guest struct {
	frames net.Conn
	link   *channel.Endpoint
	stack  *stack.Stack
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mute   atomic.Bool   // it sends nothing any more
	spoken chan struct{} // closed when something is said to it then
	once   sync.Once
}

func newGuest(t testing.TB, frames net.Conn) *guest {
	t.Helper()
	g := &guest{frames: frames, link: channel.New(1024, MTU, ""), spoken: make(chan struct{})}
	g.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := g.stack.CreateNIC(nic, g.link); err != nil {
		t.Fatal(err)
	}
	for _, a := range []netip.Addr{guest4, guest6} {
		pa := tcpip.ProtocolAddress{Protocol: protocolOf(a), AddressWithPrefix: toAddress(a).WithPrefix()}
		if err := g.stack.AddProtocolAddress(nic, pa, stack.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
	}
	wait := tcpip.TCPTimeWaitTimeoutOption(time.Millisecond) // so that ports do not run out
	if err := g.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &wait); err != nil {
		t.Fatal(err)
	}
	g.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	g.wg.Go(func() {
		for {
			pkt := g.link.ReadContext(ctx)
			if pkt == nil {
				return
			}
			if !g.mute.Load() {
				g.send(uint16(pkt.NetworkProtocolNumber), pkt.ToView().AsSlice())
			}
			pkt.DecRef()
		}
	})
	g.wg.Go(func() {
		buf := make([]byte, maxFrame)
		for {
			n, err := frames.Read(buf)
			if err != nil {
				return
			}
			if g.mute.Load() {
				g.once.Do(func() { close(g.spoken) })
			}
			if n < etherHeader || [6]byte(buf[:6]) != guestMAC {
				t.Errorf("a frame for another machine came to the guest: %x", buf[:n])
				continue
			}
			pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(buf[etherHeader:n])})
			g.link.InjectInbound(tcpip.NetworkProtocolNumber(binary.BigEndian.Uint16(buf[12:])), pkt)
			pkt.DecRef()
		}
	})
	return g
}

// send sends a packet in a frame from the guest's card.
func (g *guest) send(ether uint16, packet []byte) {
	f := make([]byte, etherHeader, etherHeader+len(packet))
	copy(f, gatewayMAC[:])
	copy(f[6:], guestMAC[:])
	binary.BigEndian.PutUint16(f[12:], ether)
	g.frames.Write(append(f, packet...))
}

func (g *guest) close() {
	g.cancel()
	g.frames.Close()
	g.stack.Close()
	g.wg.Wait()
	g.stack.Destroy()
}

// dial connects to an address as a program in the guest does.
func (g *guest) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	to := tcpip.FullAddress{NIC: nic, Addr: toAddress(ap.Addr()), Port: ap.Port()}
	if strings.HasPrefix(network, "udp") {
		return gonet.DialUDP(g.stack, nil, &to, protocolOf(ap.Addr()))
	}
	return gonet.DialContextTCP(ctx, g.stack, to, protocolOf(ap.Addr()))
}

// resolve asks the gateway for the addresses of a name, as a program in the guest
// does.
func (w *world) resolve(name string) []string {
	w.t.Helper()
	addrs, err := w.ask(name)
	if err != nil {
		w.t.Fatalf("ask for %s: %v", name, err)
	}
	return addrs
}

// ask is resolve for a question that may not be answered.
func (w *world) ask(name string) (addrs []string, err error) {
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	b, err := q.Pack()
	if err != nil {
		return nil, err
	}
	c, err := w.guest.dial(w.t.Context(), "udp", netip.AddrPortFrom(gateway4, resolverPort).String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(b); err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<10)
	n, err := c.Read(buf)
	if err != nil {
		return nil, err
	}
	var m dnsmessage.Message
	if err := m.Unpack(buf[:n]); err != nil {
		return nil, err
	}
	for _, a := range m.Answers {
		if body, ok := a.Body.(*dnsmessage.AResource); ok {
			addrs = append(addrs, netip.AddrFrom4(body.A).String())
		}
	}
	return addrs, nil
}

// newGuestListener listens on a port of the guest.
func newGuestListener(t testing.TB, g *guest, port uint16) net.Listener {
	t.Helper()
	ln, err := gonet.ListenTCP(g.stack, tcpip.FullAddress{NIC: nic, Addr: toAddress(guest4), Port: port}, ipv4.ProtocolNumber)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}
