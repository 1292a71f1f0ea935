package uplink

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// configure sets up the card that n is about, and reports whether it is there.
func configure(root string, n *desktop.Network) (there bool, err error) {
	mac, err := net.ParseMAC(n.MAC)
	if err != nil {
		return false, err
	}
	gateway, err := net.ParseMAC(n.GatewayMAC)
	if err != nil {
		return false, err
	}
	card, err := find(mac)
	if card == nil {
		return false, err
	}
	// The gateway announces nothing, and the card has all the addresses it needs.
	for name, value := range map[string]string{"accept_ra": "0", "addr_gen_mode": "1"} {
		// Without IPv6 in the kernel there is nothing to switch off.
		_ = os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", card.Name, name), []byte(value), 0o644)
	}
	requests := [][]byte{raise(card.Index, n.MTU)}
	for _, s := range n.Addresses {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return false, err
		}
		requests = append(requests, addAddress(card.Index, p))
	}
	for _, s := range n.Gateways {
		g, err := netip.ParseAddr(s)
		if err != nil {
			return false, err
		}
		requests = append(requests, addNeighbour(card.Index, g, gateway), addRoute(card.Index, g))
	}
	var errs []error
	for _, r := range requests {
		errs = append(errs, send(unix.NETLINK_ROUTE, r))
	}
	return true, errors.Join(append(errs, writeResolvConf(root, n))...)
}

// find returns the card with a hardware address, or nil.
func find(mac net.HardwareAddr) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network cards: %w", err)
	}
	for _, i := range all {
		if bytes.Equal(i.HardwareAddr, mac) {
			return &i, nil
		}
	}
	return nil, nil
}

// send has a part of the kernel do what a message says.
func send(protocol int, msg []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return fmt.Errorf("open netlink socket: %w", err)
	}
	defer unix.Close(fd)
	kind := native.Uint16(msg[4:])
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("netlink message %d: %w", kind, err)
	}
	buf := make([]byte, 4<<10)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return fmt.Errorf("netlink message %d: %w", kind, err)
	}
	if n < headerSize+4 || native.Uint16(buf[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("netlink message %d: the kernel's answer is not one", kind)
	}
	if code := int32(native.Uint32(buf[headerSize:])); code != 0 {
		return fmt.Errorf("netlink message %d: %w", kind, unix.Errno(-code))
	}
	return nil
}

// writeResolvConf names the name server. The file may be a link to that of a service
// which does not run here.
func writeResolvConf(root string, n *desktop.Network) error {
	var b strings.Builder
	fmt.Fprintf(&b, "nameserver %s\n", n.Nameserver)
	name := filepath.Join(root, "etc/resolv.conf")
	os.Remove(name)
	return os.WriteFile(name, []byte(b.String()), 0o644)
}
