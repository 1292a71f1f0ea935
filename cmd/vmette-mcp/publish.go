package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/vmette/vmette-mcp/sandbox"
)

// publishFlag is a flag that names a port of the host and one of a guest, such as
// 127.0.0.1:8080:80 or [::1]:8080:80.
type publishFlag struct {
	host  string // ADDRESS:PORT
	guest uint16
}

// UnmarshalText decodes ADDRESS:PORT:PORT. Without an address it is loopback.
func (p *publishFlag) UnmarshalText(text []byte) error {
	wrong := fmt.Errorf("%q is not ADDRESS:PORT:GUESTPORT, such as 127.0.0.1:8080:80", text)
	host, guest, ok := cutLast(string(text), ":")
	if !ok {
		return wrong
	}
	if !strings.Contains(host, ":") {
		host = "127.0.0.1:" + host
	}
	address, port, err := net.SplitHostPort(host)
	if err != nil {
		return wrong
	}
	if address == "" {
		return fmt.Errorf("%q names no address: write 127.0.0.1, or 0.0.0.0 to let everybody in who can reach this host", text)
	}
	_, err = strconv.ParseUint(port, 10, 16)
	inside, errGuest := strconv.ParseUint(guest, 10, 16)
	if err != nil || errGuest != nil || inside == 0 {
		return wrong
	}
	p.host, p.guest = host, uint16(inside)
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// published are the ports of this host that lead to a desktop.
type published struct {
	all []*sandbox.Publication
	to  atomic.Pointer[func() *sandbox.Session]
}

// publish opens the ports that flags name. They lead nowhere yet, and must be closed.
func publish(ctx context.Context, flags []publishFlag, log *slog.Logger) (*published, error) {
	p := new(published)
	for _, f := range flags {
		var lc net.ListenConfig
		ln, err := lc.Listen(ctx, "tcp", f.host)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("publish port %d of the desktop: %w", f.guest, err), p.Close())
		}
		p.all = append(p.all, sandbox.Publish(ln, f.guest, p.session, log))
		log.Info("a port of the desktop is published", "addr", ln.Addr(), "port", f.guest)
		if tcp, ok := ln.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			log.Warn("a published port is open to everybody who can reach this host", "addr", ln.Addr())
		}
	}
	return p, nil
}

// lead has all ports lead to the sandbox that to returns for each connection.
func (p *published) lead(to func() *sandbox.Session) { p.to.Store(&to) }

func (p *published) session() *sandbox.Session {
	if to := p.to.Load(); to != nil {
		return (*to)()
	}
	return nil
}

// Close closes the ports.
func (p *published) Close() error {
	var errs []error
	for _, one := range p.all {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}
