// Package egress is the network of a sandbox: an IP stack in this process that
// takes the guest's packets apart and makes, for those connections that a policy
// allows, connections of its own. Nothing is routed and nothing is translated, so a
// packet of the guest never leaves the host, and nothing outside can reach the guest.
//
//	link := egress.Guest() // which the guest is told
//	n, err := egress.New(egress.Config{Frames: conn, MAC: link.MAC, Policy: p})
//	if err != nil {
//		return err
//	}
//	defer n.Close()
//
// It needs no privilege. The guest's network card is a datagram socket that carries
// one Ethernet frame in each message, as QEMU and Virtualization.framework speak it.
// On the link there are two machines, which know each other's addresses beforehand:
// see [Guest]. So there is no DHCP, ARP or neighbour discovery, and everything but
// plain TCP and UDP from the guest's own address is dropped before the stack sees it.
//
// What holds against a guest whose every byte is hostile:
//
//   - Each connection and each UDP flow is judged by its address, and, if that is
//     allowed because of a name, by whom the client means: the server name in its
//     ClientHello, the Host of each of its HTTP requests.
//   - Names are asked of the gateway alone, which answers for those that are allowed
//     and pins their addresses; see package dns.
//   - Connections, their rate, questions, bandwidth, memory and what is logged are
//     bounded.
//   - When the [Network] is closed, was never made, or something in it has panicked,
//     nobody reads the socket.
package egress
