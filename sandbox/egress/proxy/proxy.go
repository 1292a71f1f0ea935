package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/time/rate"

	"github.com/vmette/vmette-mcp/sandbox/egress"
)

// Dialer connects to addresses, through a proxy or directly. It is safe for concurrent
// use.
type Dialer struct {
	proxyFor func(*url.URL) (*url.URL, error) // nil for what is reached directly
	names    []string                         // of the proxies, without credentials
	direct   func(ctx context.Context, network, address string) (net.Conn, error)
	log      *slog.Logger
	failures rate.Sometimes
}

// FromEnvironment returns a dialer for the proxies that HTTPS_PROXY, HTTP_PROXY and
// NO_PROXY name, in capitals or not: nil when there is none. HTTP_PROXY is for port 80,
// HTTPS_PROXY for all others. NO_PROXY is compared with the address of a destination
// and with the names that the sandbox knows it by. The error never holds the value of a
// variable, in which there may be a password. log may be nil.
func FromEnvironment(log *slog.Logger) (*Dialer, error) {
	return newDialer(*httpproxy.FromEnvironment(), log)
}

func newDialer(c httpproxy.Config, log *slog.Logger) (*Dialer, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &Dialer{
		direct:   new(net.Dialer).DialContext,
		log:      log,
		failures: rate.Sometimes{Interval: time.Minute},
	}
	for variable, value := range map[string]*string{"HTTPS_PROXY": &c.HTTPSProxy, "HTTP_PROXY": &c.HTTPProxy} {
		if *value == "" {
			continue
		}
		via, err := parse(*value)
		if err != nil {
			return nil, fmt.Errorf("%s %w", variable, err)
		}
		*value = via.String()
		if !slices.Contains(d.names, hostPort(via)) {
			d.names = append(d.names, hostPort(via))
		}
	}
	d.proxyFor = c.ProxyFunc()
	slices.Sort(d.names)
	if d.names == nil {
		return nil, nil
	}
	return d, nil
}

// parse reads the address of a proxy, whose scheme may be missing. Package httpproxy takes
// one that it does not understand for none.
func parse(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	via, err := url.Parse(value)
	if err != nil || via.Hostname() == "" || via.Scheme != "http" && via.Scheme != "https" {
		return nil, errors.New("is not the address of an HTTP proxy, such as http://proxy.example:3128")
	}
	return via, nil
}

// String names the proxies, without credentials.
func (d *Dialer) String() string { return strings.Join(d.names, ", ") }

// Dial connects to an address, as [net.Dialer.DialContext] does. It is for the Dial of
// an [egress.Config]. Datagrams are sent directly, since no proxy takes them.
func (d *Dialer) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" {
		return d.direct(ctx, network, address)
	}
	via, err := d.via(address, egress.Names(ctx))
	if err != nil {
		return nil, err
	}
	if via == nil {
		return d.direct(ctx, network, address)
	}
	c, err := d.tunnel(ctx, via, address)
	if err != nil {
		err = fmt.Errorf("reach %s through the proxy %s: %w", address, hostPort(via), err)
		d.failures.Do(func() {
			d.log.Warn("desktops cannot reach out through the proxy; what comes within a minute is not logged", "err", err)
		})
		return nil, err
	}
	return c, nil
}

// via returns the proxy for an address that is known by these names: nil for none.
func (d *Dialer) via(address string, names []string) (*url.URL, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	scheme := "https"
	if port == "80" {
		scheme = "http"
	}
	hosts := []string{address}
	for _, n := range names {
		hosts = append(hosts, net.JoinHostPort(n, port))
	}
	var via *url.URL
	for _, host := range hosts {
		if via, err = d.proxyFor(&url.URL{Scheme: scheme, Host: host}); err != nil {
			return nil, errors.New("the proxy's address is not understood") // the error would hold its password
		}
		if via == nil {
			return nil, nil
		}
	}
	return via, nil
}

// hostPort returns where a proxy listens.
func hostPort(via *url.URL) string {
	port := via.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[via.Scheme]
	}
	return net.JoinHostPort(via.Hostname(), port)
}
