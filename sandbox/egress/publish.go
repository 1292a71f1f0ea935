package egress

import (
	"context"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// Publish carries a connection from the host to a TCP port of the guest, and returns at
// once. The connection is the network's then, which closes it when it has ended, when
// nobody listens in the guest, or when the network is closed.
func (n *Network) Publish(host net.Conn, port uint16) {
	f := n.open(audit.Publish, policy.TCP, netip.AddrPortFrom(guest4, port))
	if f == nil {
		host.Close()
		return
	}
	go f.publish(host)
}

// publish carries a connection from the host to the guest.
func (f *flow) publish(host net.Conn) {
	defer f.n.guard()
	defer f.end()
	ctx, cancel := context.WithTimeout(f.ctx, dialLimit)
	defer cancel()
	to := tcpip.FullAddress{NIC: nic, Addr: toAddress(guest4), Port: f.dest.Addr.Port()}
	c, err := gonet.DialContextTCP(ctx, f.n.stack, to, protocolOf(guest4))
	if err != nil {
		f.conclude(audit.Allowed, "nobody in the desktop takes it: "+cause(err))
		host.Close()
		return
	}
	f.rest = f.n.endOf(c)
	guest := f.guestSide(c)
	f.splice(host, guest, host)
}

// endOf returns a connection that was made to the guest with its end in the stack:
// the zero value if that is gone already.
func (n *Network) endOf(c *gonet.TCPConn) guestConn {
	local, errL := netip.ParseAddrPort(c.LocalAddr().String())
	remote, errR := netip.ParseAddrPort(c.RemoteAddr().String())
	if errL != nil || errR != nil {
		return guestConn{}
	}
	ep := n.stack.FindTransportEndpoint(protocolOf(guest4), tcp.ProtocolNumber, stack.TransportEndpointID{
		LocalAddress: toAddress(local.Addr()), LocalPort: local.Port(), RemoteAddress: toAddress(remote.Addr()), RemotePort: remote.Port(),
	}, nic)
	if ep == nil {
		return guestConn{}
	}
	return guestConn{c, ep}
}
