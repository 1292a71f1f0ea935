package egress

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// udpIdle is how long datagrams between two ports are awaited.
const udpIdle = 2 * time.Minute

// maxDatagram is the largest that the link carries, in bytes.
const maxDatagram = MTU

// acceptUDP is called for the first datagram between two ports, while nothing else
// of the guest is read. What it does not take is answered as unreachable.
func (n *Network) acceptUDP(r *udp.ForwarderRequest) (taken bool) {
	defer n.guard()
	f := n.open(audit.UDP, policy.UDP, destination(localAddr(r.ID())))
	if f == nil {
		return false
	}
	var wq waiter.Queue
	ep, err := r.CreateEndpoint(&wq)
	if err != nil {
		f.conclude(audit.Limited, "the stack has no room for it")
		f.end()
		return false
	}
	go f.relay(gonet.NewUDPConn(&wq, ep))
	return true
}

// relay carries datagrams until there are none for a while.
func (f *flow) relay(guest net.Conn) {
	defer f.n.guard()
	defer f.end()
	defer guest.Close()
	host, err := f.dial(f.ctx)
	if err != nil {
		return
	}
	stop := context.AfterFunc(f.ctx, func() { guest.Close(); host.Close() })
	defer stop()
	idle := time.AfterFunc(udpIdle, func() { guest.Close(); host.Close() })
	defer idle.Stop()
	f.both(
		func() { relayHalf(host, guest, idle, f.n.sent, &f.sent) },
		func() { relayHalf(guest, host, idle, f.n.received, &f.received) },
	)
}

// relayHalf carries one direction, and counts its bytes. What goes beyond the rate is
// lost, as datagrams are: were it awaited, those after it would pile up. An error of
// the one end, such as a refusal, closes both.
func relayHalf(dst, src net.Conn, idle *time.Timer, limit *rate.Limiter, carried *atomic.Int64) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, maxDatagram)
	for {
		size, err := src.Read(buf)
		if err != nil {
			return
		}
		if limit != nil && !limit.AllowN(time.Now(), size) {
			continue
		}
		if _, err := dst.Write(buf[:size]); err != nil {
			return
		}
		carried.Add(int64(size))
		idle.Reset(udpIdle)
	}
}
