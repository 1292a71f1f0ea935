package egress

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/dns"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// resolverPort is where the gateway answers questions.
const resolverPort = 53

// resolverIdle is how long the next question is awaited.
const resolverIdle = 10 * time.Second

func isResolver(to netip.AddrPort) bool {
	return to.Port() == resolverPort && (to.Addr() == gateway4 || to.Addr() == gateway6)
}

// listenResolver returns where questions come in datagrams.
func listenResolver(s *stack.Stack, gateway netip.Addr) (net.PacketConn, error) {
	c, err := gonet.DialUDP(s, &tcpip.FullAddress{NIC: nic, Addr: toAddress(gateway), Port: resolverPort}, nil, protocolOf(gateway))
	if err != nil {
		return nil, fmt.Errorf("listen for questions: %w", err)
	}
	return c, nil
}

// serveResolver answers the questions that come in datagrams, until the network is
// closed.
func (n *Network) serveResolver(c net.PacketConn) {
	defer c.Close()
	stop := context.AfterFunc(n.ctx, func() { c.Close() })
	defer stop()
	buf := make([]byte, dns.MaxQuery+1)
	for {
		size, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		release, ok := n.mayAsk()
		if !ok {
			continue // as if it were lost
		}
		query := append([]byte(nil), buf[:size]...)
		n.spawn(func() {
			defer release()
			if reply := n.answer(n.ctx, query); reply != nil {
				c.WriteTo(reply, from)
			}
		})
	}
}

// serveResolverTCP answers the questions of a connection: RFC 1035, section 4.2.2.
func (n *Network) serveResolverTCP(r *tcp.ForwarderRequest) {
	f := n.open(audit.DNS, policy.TCP, localAddr(r.ID()))
	if f == nil {
		r.Complete(true)
		return
	}
	defer f.leave() // the questions are logged by themselves
	c, err := accept(r)
	if err != nil {
		return
	}
	f.rest = c
	guest := f.guestSide(c)
	defer guest.Close()
	stop := context.AfterFunc(f.ctx, func() { guest.Close() })
	defer stop()
	for {
		guest.SetDeadline(time.Now().Add(resolverIdle))
		var size [2]byte
		if _, err := io.ReadFull(guest, size[:]); err != nil {
			return
		}
		query := make([]byte, min(int(binary.BigEndian.Uint16(size[:])), dns.MaxQuery+1))
		if _, err := io.ReadFull(guest, query); err != nil || len(query) > dns.MaxQuery {
			return
		}
		reply := n.ask(f.ctx, query)
		if reply == nil {
			return
		}
		if _, err := guest.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// ask answers a question if it may be asked now; else it returns nil.
func (n *Network) ask(ctx context.Context, query []byte) []byte {
	release, ok := n.mayAsk()
	if !ok {
		return nil
	}
	defer release()
	return n.answer(ctx, query)
}

// mayAsk reports whether one more question may be asked now. release must be called
// once it is answered.
func (n *Network) mayAsk() (release func(), ok bool) {
	if !n.questions.Allow() {
		n.log(audit.Entry{Time: time.Now(), Kind: audit.DNS, Verdict: audit.Limited, Reason: "the desktop asks for names too fast"})
		return nil, false
	}
	select {
	case n.asking <- struct{}{}:
		return func() { <-n.asking }, true
	default:
		return nil, false
	}
}

// answer answers a question and logs it.
func (n *Network) answer(ctx context.Context, query []byte) []byte {
	began := time.Now()
	reply := n.names.Answer(ctx, query)
	e := audit.Entry{
		Time: began, Kind: audit.DNS, Name: reply.Name, Verdict: audit.Blocked, Rule: reply.Verdict.Rule, Reason: reply.Verdict.Reason,
		Seconds: time.Since(began).Seconds(),
	}
	if reply.Verdict.Allowed {
		e.Verdict = audit.Allowed
	}
	if len(reply.Addrs) > 0 {
		e.Addr = netip.AddrPortFrom(reply.Addrs[0], 0)
	}
	n.log(e)
	return reply.Message
}
