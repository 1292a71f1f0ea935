package egress

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/time/rate"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// frameOf returns a frame from the guest's card that holds a packet.
func frameOf(ether uint16, packet []byte) []byte {
	f := make([]byte, etherHeader, etherHeader+len(packet))
	copy(f, gatewayMAC[:])
	copy(f[6:], guestMAC[:])
	binary.BigEndian.PutUint16(f[12:], ether)
	return append(f, packet...)
}

// packet4 and packet6 return a packet of the guest, after f has changed its header.
func packet4(proto uint8, to string, payload []byte, f func(header.IPv4)) []byte {
	b := make(header.IPv4, ipv4Header, ipv4Header+len(payload))
	b.Encode(&header.IPv4Fields{
		TotalLength: uint16(ipv4Header + len(payload)), TTL: 64, Protocol: proto,
		SrcAddr: toAddress(guest4), DstAddr: toAddress(netip.MustParseAddr(to)),
	})
	if f != nil {
		f(b)
	}
	b.SetChecksum(^b.CalculateChecksum())
	return append(b, payload...)
}

func packet6(next uint8, from, to string, payload []byte) []byte {
	b := make(header.IPv6, ipv6Header, ipv6Header+len(payload))
	b.Encode(&header.IPv6Fields{
		PayloadLength: uint16(len(payload)), HopLimit: 64, TransportProtocol: 0,
		SrcAddr: toAddress(netip.MustParseAddr(from)), DstAddr: toAddress(netip.MustParseAddr(to)),
	})
	b[6] = next
	return append(b, payload...)
}

// TestPacketOf is the table of what the stack gets to see.
func TestPacketOf(t *testing.T) {
	const out, out6, own6 = "203.0.113.1", "2001:db8::1", "fd76:6d65:7474:6500::2"
	body := make([]byte, 20)
	foreign := frameOf(etherIPv4, packet4(protoTCP, out, body, nil))
	foreign[11] ^= 1
	options := packet4(protoTCP, out, body, func(h header.IPv4) { h[0] = 0x46 })
	for _, tt := range []struct {
		name   string
		frame  []byte
		reason string
		ok     bool
	}{
		{"TCP", frameOf(etherIPv4, packet4(protoTCP, out, body, nil)), "", true},
		{"UDP", frameOf(etherIPv4, packet4(protoUDP, out, body, nil)), "", true},
		{"TCP with padding after it", append(frameOf(etherIPv4, packet4(protoTCP, out, body, nil)), 0, 0, 0), "", true},
		{"TCP over IPv6", frameOf(etherIPv6, packet6(protoTCP, own6, out6, body)), "", true},
		{"nothing", nil, "", false},
		{"ARP", frameOf(0x0806, body), "", false},
		{"VLAN", frameOf(0x8100, packet4(protoTCP, out, body, nil)), "", false},
		{"another card", foreign, "its hardware address is not the guest's", false},
		{"IPv6 called IPv4", frameOf(etherIPv4, packet6(protoTCP, own6, out6, body)), "its IPv4 header is broken", false},
		{"IPv4 called IPv6", frameOf(etherIPv6, packet4(protoTCP, out, append(body, body...), nil)), "its IPv6 header is broken", false},
		{"options", frameOf(etherIPv4, options), "it has IP options", false},
		{"a length beyond the frame", frameOf(etherIPv4, packet4(protoTCP, out, body, func(h header.IPv4) { h.SetTotalLength(41) })), "its IPv4 header is broken", false},
		{"a length below the header", frameOf(etherIPv4, packet4(protoTCP, out, body, func(h header.IPv4) { h.SetTotalLength(19) })), "its IPv4 header is broken", false},
		{"a first fragment", frameOf(etherIPv4, packet4(protoUDP, out, body, func(h header.IPv4) { h.SetFlagsFragmentOffset(header.IPv4FlagMoreFragments, 0) })), "it is a fragment", false},
		{"a later fragment", frameOf(etherIPv4, packet4(protoUDP, out, body, func(h header.IPv4) { h.SetFlagsFragmentOffset(0, 8) })), "it is a fragment", false},
		{"don't fragment", frameOf(etherIPv4, packet4(protoUDP, out, body, func(h header.IPv4) { h.SetFlagsFragmentOffset(header.IPv4FlagDontFragment, 0) })), "", true},
		{"another's address", frameOf(etherIPv4, packet4(protoTCP, out, body, func(h header.IPv4) { h.SetSourceAddress(toAddress(netip.MustParseAddr("192.0.2.3"))) })), "its source address is not the guest's", false},
		{"the gateway's address", frameOf(etherIPv4, packet4(protoTCP, out, body, func(h header.IPv4) { h.SetSourceAddress(toAddress(gateway4)) })), "its source address is not the guest's", false},
		{"another's address of IPv6", frameOf(etherIPv6, packet6(protoTCP, "2001:db8::2", out6, body)), "its source address is not the guest's", false},
		{"mapped into IPv6", frameOf(etherIPv6, packet6(protoTCP, "::ffff:192.0.2.254", "::ffff:10.0.0.1", body)), "its source address is not the guest's", false},
		{"to what is mapped into IPv6", frameOf(etherIPv6, packet6(protoTCP, own6, "::ffff:10.0.0.1", body)), "its address is one of IPv4, in a form that is not for packets", false},
		{"to loopback that is mapped into IPv6", frameOf(etherIPv6, packet6(protoTCP, own6, "::ffff:127.0.0.1", body)), "it is for the loopback of another machine", false},
		{"ICMP", frameOf(etherIPv4, packet4(protoICMP, out, body, nil)), "ICMP is not carried", false},
		{"ICMPv6", frameOf(etherIPv6, packet6(protoICMPv6, own6, out6, body)), "ICMP is not carried", false},
		{"a neighbour is asked for", frameOf(etherIPv6, packet6(protoICMPv6, own6, "ff02::1:ff00:1", body)), "", false},
		{"GRE", frameOf(etherIPv4, packet4(47, out, body, nil)), "it is neither TCP nor UDP", false},
		{"IPv6 in IPv4", frameOf(etherIPv4, packet4(41, out, body, nil)), "it is neither TCP nor UDP", false},
		{"a fragment of IPv6", frameOf(etherIPv6, packet6(44, own6, out6, body)), "it is neither TCP nor UDP, or has extension headers", false},
		{"a routing header", frameOf(etherIPv6, packet6(43, own6, out6, body)), "it is neither TCP nor UDP, or has extension headers", false},
		{"loopback", frameOf(etherIPv4, packet4(protoTCP, "127.0.0.1", body, nil)), "it is for the loopback of another machine", false},
		{"loopback of IPv6", frameOf(etherIPv6, packet6(protoTCP, own6, "::1", body)), "it is for the loopback of another machine", false},
		{"no address", frameOf(etherIPv4, packet4(protoTCP, "0.0.0.0", body, nil)), "it is for the loopback of another machine", false},
		{"multicast", frameOf(etherIPv4, packet4(protoUDP, "224.0.0.251", body, nil)), "", false},
		{"broadcast", frameOf(etherIPv4, packet4(protoUDP, "255.255.255.255", body, nil)), "", false},
		{"too long", make([]byte, maxFrame+1), "", false},
	} {
		p, _, drop, ok := packetOf(tt.frame, guestMAC)
		if ok != tt.ok || drop.reason != tt.reason {
			t.Errorf("%s: taken %t, %q; want %t, %q", tt.name, ok, drop.reason, tt.ok, tt.reason)
		}
		if ok && len(p) != ipv4Header+len(body) && len(p) != ipv6Header+len(body) {
			t.Errorf("%s: the packet has %d bytes", tt.name, len(p))
		}
	}
}

// TestRandomPackets floods the stack with what a hostile guest can send: packets that
// are whole but for one part, and such as make no sense at all. VMETTE_PACKETS says
// how many.
func TestRandomPackets(t *testing.T) {
	count := 10_000
	if s := os.Getenv("VMETTE_PACKETS"); s != "" {
		var err error
		if count, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, policy.Open)
	w.net.connects.SetLimit(rate.Inf) // or most would not get far
	w.put("203.0.113.1:7", echo(t))
	r := rand.New(rand.NewPCG(1, 2))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range count {
		if _, err := w.guest.frames.Write(randomFrame(r)); err != nil {
			t.Fatal(err)
		}
	}
	// The connection is made after all the packets were read.
	if got, err := w.says("203.0.113.1:7", "alive"); err != nil || got != "alive" {
		t.Errorf("after %d packets: %q, %v", count, got, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	grown := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20
	most := (after.Sys - before.Sys) >> 20 // which is never given back
	t.Logf("%d packets: %d MiB more afterwards, %d meanwhile", count, grown, most)
	if grown > 64 || most > 256 {
		t.Errorf("%d packets have left %d MiB, and took %d", count, grown, most)
	}
}

// randomFrame returns a frame of the guest's card.
func randomFrame(r *rand.Rand) []byte {
	payload := make([]byte, r.IntN(200))
	for i := range payload {
		payload[i] = byte(r.Uint32())
	}
	proto := []uint8{protoTCP, protoTCP, protoTCP, protoUDP, protoUDP, uint8(r.Uint32())}[r.IntN(6)]
	tos := []string{"203.0.113.1", "192.0.2.253", "192.0.2.254", "10.0.0.1", "0.0.0.0", "127.0.0.1"}
	var packet []byte
	ether := uint16(etherIPv4)
	if r.IntN(4) == 0 {
		ether = etherIPv6
		packet = packet6(proto, guest6.String(), []string{"2001:db8::1", gateway6.String(), "::1", "fe80::1"}[r.IntN(4)], payload)
	} else {
		packet = packet4(proto, tos[r.IntN(len(tos))], payload, nil)
	}
	if len(payload) >= header.TCPMinimumSize && proto == protoTCP {
		at := len(packet) - len(payload)
		tcp := header.TCP(packet[at:])
		tcp[12] = byte(5+r.IntN(3)) << 4
		sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, addressOf(packet, true), addressOf(packet, false), uint16(len(payload)))
		tcp.SetChecksum(0)
		tcp.SetChecksum(^checksum.Checksum(packet[at:], sum))
	}
	f := frameOf(ether, packet)
	for range r.IntN(3) {
		f[r.IntN(len(f))] = byte(r.Uint32())
	}
	return f[:len(f)-r.IntN(2)*r.IntN(len(f))]
}

// addressOf returns the source or destination of a packet.
func addressOf(packet []byte, source bool) tcpip.Address {
	var h header.Network = header.IPv4(packet)
	if packet[0]>>4 == 6 {
		h = header.IPv6(packet)
	}
	if source {
		return h.SourceAddress()
	}
	return h.DestinationAddress()
}

// FuzzPacketOf holds that what the stack gets to see is what the table says.
func FuzzPacketOf(f *testing.F) {
	f.Add(frameOf(etherIPv4, packet4(protoTCP, "203.0.113.1", make([]byte, 20), nil)))
	f.Add(frameOf(etherIPv6, packet6(protoUDP, guest6.String(), "2001:db8::1", make([]byte, 20))))
	f.Add(frameOf(etherIPv4, packet4(protoICMP, "203.0.113.1", make([]byte, 8), nil)))
	f.Fuzz(func(t *testing.T, frame []byte) {
		p, ether, _, ok := packetOf(frame, guestMAC)
		if !ok {
			return
		}
		switch ether {
		case etherIPv4:
			h := header.IPv4(p)
			if !h.IsValid(len(p)) || h.HeaderLength() != ipv4Header || h.More() || h.FragmentOffset() != 0 || h.SourceAddress() != toAddress(guest4) ||
				int(h.TotalLength()) != len(p) || h.Protocol() != protoTCP && h.Protocol() != protoUDP {
				t.Fatalf("%x", p)
			}
		case etherIPv6:
			h := header.IPv6(p)
			if !h.IsValid(len(p)) || h.SourceAddress() != toAddress(guest6) || int(h.PayloadLength())+ipv6Header != len(p) || h.NextHeader() != protoTCP && h.NextHeader() != protoUDP {
				t.Fatalf("%x", p)
			}
		default:
			t.Fatalf("ether type %#x", ether)
		}
	})
}
