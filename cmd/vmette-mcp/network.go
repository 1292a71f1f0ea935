package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/egress"
	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
	"github.com/vmette/vmette-mcp/sandbox/egress/proxy"
)

// networkFlags say where desktops may reach.
type networkFlags struct {
	Net          string   `help:"Where desktops may reach: none (they have no network card), allow (what --net-allow names), or open (all but this host, private networks and cloud metadata) (default ${default})." enum:"none,allow,open" default:"none" placeholder:"MODE"`
	NetAllow     []string `help:"A name, *.name, address or range that desktops may reach, with :PORT for another port than 80 and 443; may be repeated." placeholder:"HOST"`
	NetBandwidth int64    `help:"Most bytes a second of a desktop's network, each way; 0, the default, is no limit." default:"0" placeholder:"N"`
	NetLog       string   `help:"Write what desktops reached and tried, a line of JSON for each, to this file." placeholder:"FILE" type:"path"`
	NetProxy     bool     `help:"Have what desktops reach over TCP go through the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name, if they do." default:"true" negatable:""`

	Publish []publishFlag `help:"Let programs of this host connect to a TCP port of the desktop, as in 127.0.0.1:8080:80; without an address they must be on this host; may be repeated." placeholder:"[ADDR:]PORT:PORT"`
}

// Validate reports a policy that does not parse: nothing is started with one.
func (f networkFlags) Validate() error {
	_, err := policy.Parse(f.policy())
	if f.NetBandwidth < 0 {
		err = errors.Join(err, errors.New("--net-bandwidth is negative: use 0 or more"))
	}
	if len(f.Publish) > 0 && !f.policy().On() {
		err = errors.Join(err, errors.New("--publish needs a network: use --net allow, with which the desktop reaches nothing by itself"))
	}
	return err
}

func (f networkFlags) policy() policy.Config {
	return policy.Config{Mode: policy.Mode(f.Net), Allow: f.NetAllow}
}

// open returns the options of all desktops' networks. close must be called once none
// runs any more.
func (f networkFlags) open(log *slog.Logger) (o sandbox.NetworkOptions, close func() error, err error) {
	close = func() error { return nil }
	if o.Bounds, err = policy.Parse(f.policy()); err != nil {
		return o, nil, err
	}
	o.Limits = egress.Limits{Bandwidth: f.NetBandwidth}
	if !f.policy().On() {
		return o, close, nil
	}
	if f.NetProxy {
		dialer, err := proxy.FromEnvironment(log)
		if err != nil {
			return o, nil, fmt.Errorf("%w: change it, or use --no-net-proxy", err)
		}
		if dialer != nil {
			o.Dial = dialer.Dial
			log.Info("desktops reach out through a proxy", "proxy", dialer)
		}
	}
	if f.NetLog == "" {
		return o, close, nil
	}
	file, err := audit.OpenFile(f.NetLog)
	if err != nil {
		return o, nil, err
	}
	o.OnEntry = func(e audit.Entry) {
		if err := file.Write(e); err != nil {
			log.Error("the network log is not complete", "err", err)
		}
	}
	return o, file.Close, nil
}
