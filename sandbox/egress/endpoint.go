package egress

import (
	"encoding/binary"
	"net"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// endpoint is the stack's end of the link.
type endpoint struct {
	frames net.Conn
	mac    [6]byte // of the guest's card

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher // nil until it is attached

	writing sync.Mutex
	out     [maxFrame]byte
}

var _ stack.LinkEndpoint = (*endpoint)(nil)

// deliver hands a packet that was checked to the stack.
func (e *endpoint) deliver(packet []byte, ether uint16) {
	proto := ipv4.ProtocolNumber
	if ether == etherIPv6 {
		proto = ipv6.ProtocolNumber
	}
	e.mu.RLock()
	d := e.dispatcher
	e.mu.RUnlock()
	if d == nil {
		return
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	defer pkt.DecRef()
	d.DeliverNetworkPacket(proto, pkt)
}

// WritePackets sends packets to the guest. While that takes none, the stack waits,
// which is the guest's own.
func (e *endpoint) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	e.writing.Lock()
	defer e.writing.Unlock()
	for i, pkt := range list.AsSlice() {
		f := e.out[:etherHeader]
		copy(f, e.mac[:])
		copy(f[6:], gatewayMAC[:])
		binary.BigEndian.PutUint16(f[12:], uint16(pkt.NetworkProtocolNumber))
		for _, b := range pkt.AsSlices() {
			if len(f)+len(b) > maxFrame {
				return i, &tcpip.ErrMessageTooLong{}
			}
			f = append(f, b...)
		}
		if _, err := e.frames.Write(f); err != nil {
			return i, &tcpip.ErrClosedForSend{}
		}
	}
	return list.Len(), nil
}

func (e *endpoint) Attach(d stack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dispatcher = d
}

func (e *endpoint) IsAttached() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.dispatcher != nil
}

// The rest says that this is a plain link between two that know each other.

func (e *endpoint) MTU() uint32                                  { return MTU }
func (e *endpoint) SetMTU(uint32)                                {}
func (e *endpoint) MaxHeaderLength() uint16                      { return 0 }
func (e *endpoint) LinkAddress() tcpip.LinkAddress               { return tcpip.LinkAddress(gatewayMAC[:]) }
func (e *endpoint) SetLinkAddress(tcpip.LinkAddress)             {}
func (e *endpoint) Capabilities() stack.LinkEndpointCapabilities { return 0 }
func (e *endpoint) Wait()                                        {}
func (e *endpoint) ARPHardwareType() header.ARPHardwareType      { return header.ARPHardwareNone }
func (e *endpoint) AddHeader(*stack.PacketBuffer)                {}
func (e *endpoint) ParseHeader(*stack.PacketBuffer) bool         { return true }
func (e *endpoint) Close()                                       {}
func (e *endpoint) SetOnCloseAction(func())                      {}
