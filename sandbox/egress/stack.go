package egress

import (
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// nic is the number of the stack's only link.
const nic = 1

// maxOpening bounds the TCP connections that the guest has begun and nobody has
// decided on yet.
const maxOpening = 128

// Buffers of a TCP connection with the guest, in bytes. The guest is near, so that
// small ones are as fast as large ones; and it can have all of them filled.
const (
	minBuffer = 4 << 10
	maxBuffer = 128 << 10
)

// timeWait is how long late segments of a connection are awaited. There is no way on
// which one could get lost for longer.
const timeWait = 5 * time.Second

// silence keeps the stack from writing to standard error about each odd packet of a
// guest.
var silence = sync.OnceFunc(func() { log.SetTarget(&log.GoogleEmitter{Writer: &log.Writer{Next: io.Discard}}) })

// newStack returns a stack that is every machine but the guest: whatever address a
// connection is for, it comes to the forwarders of n.
func newStack(n *Network, link *endpoint) (*stack.Stack, error) {
	silence()
	s := stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocol,
			ipv6.NewProtocolWithOptions(ipv6.Options{
				NDPConfigs: ipv6.NDPConfigurations{HandleRAs: ipv6.HandlingRAsDisabled},
				MLD:        ipv6.MLDOptions{Enabled: false},
			}),
		},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := setUp(s, link); err != nil {
		s.Destroy()
		return nil, fmt.Errorf("set up network stack: %s", err)
	}
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(s, maxBuffer, maxOpening, n.acceptTCP).HandlePacket)
	s.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s, n.acceptUDP).HandlePacket)
	return s, nil
}

func setUp(s *stack.Stack, link *endpoint) tcpip.Error {
	sack := tcpip.TCPSACKEnabled(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: minBuffer, Default: maxBuffer, Max: maxBuffer}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: minBuffer, Default: maxBuffer, Max: maxBuffer}
	wait := tcpip.TCPTimeWaitTimeoutOption(timeWait)
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &receive, &send, &wait} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return err
		}
	}
	if err := s.CreateNIC(nic, link); err != nil {
		return err
	}
	for _, a := range []netip.Addr{gateway4, gateway6} {
		proto := tcpip.ProtocolAddress{Protocol: protocolOf(a), AddressWithPrefix: toAddress(a).WithPrefix()}
		if err := s.AddProtocolAddress(nic, proto, stack.AddressProperties{}); err != nil {
			return err
		}
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	// To take what is for any address, and to answer in its name.
	if err := s.SetPromiscuousMode(nic, true); err != nil {
		return err
	}
	return s.SetSpoofing(nic, true)
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

func toAddress(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

// localAddr returns whom the guest has addressed.
func localAddr(id stack.TransportEndpointID) netip.AddrPort {
	a, _ := netip.AddrFromSlice(id.LocalAddress.AsSlice())
	return netip.AddrPortFrom(a.Unmap(), id.LocalPort)
}
