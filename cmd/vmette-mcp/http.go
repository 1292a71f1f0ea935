package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/internal/certificate"
	"github.com/vmette/vmette-mcp/mcp"
	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/guard"
	"github.com/vmette/vmette-mcp/mcp/quota"
)

// httpFlags say how the server is served over HTTP.
type httpFlags struct {
	HTTP        string   `name:"http" help:"Serve over HTTP on this address, such as 127.0.0.1:8808, instead of standard input and output." placeholder:"ADDR"`
	TLSCert     string   `name:"tls-cert" help:"Certificate chain to serve HTTPS with, in PEM." placeholder:"FILE" type:"path"`
	TLSKey      string   `name:"tls-key" help:"Its private key, in PEM." placeholder:"FILE" type:"path"`
	AllowHost   []string `help:"Names and addresses that clients reach the server by, beside localhost, that of --url, and the address of --http if it is one and not all." placeholder:"NAME"`
	AllowOrigin []string `help:"Web pages that may use the server, beside those of localhost." placeholder:"ORIGIN"`
	Connections int      `help:"Connections at once (default ${default})." default:"1024" placeholder:"N"`

	Tokens   string `help:"Let clients in whose tokens are in this file; see vmette-mcp token." placeholder:"FILE" type:"path"`
	Issuer   string `help:"Let clients in with JSON web tokens of this OpenID Connect issuer." placeholder:"URL"`
	Audience string `help:"What those tokens must be for (default: the public URL)." placeholder:"NAME"`
	URL      string `name:"url" help:"Public URL that clients are given, such as https://desktops.example.com/mcp." placeholder:"URL"`

	Grace       time.Duration `help:"How long a session outlives its last use (default ${default})." default:"15m" placeholder:"TIME"`
	SessionLife time.Duration `help:"How long a session may last in any case (default ${default})." default:"24h" placeholder:"TIME"`
	DesktopLife time.Duration `help:"How long a desktop may last in any case (default ${default})." default:"24h" placeholder:"TIME"`
	Finish      time.Duration `help:"How long calls in flight may take when the server is told to end (default ${default})." default:"20s" placeholder:"TIME"`

	AtExit string `help:"What becomes of desktops when the server is told to end: suspend, so that the next one takes them back, or close (default ${default})." enum:"suspend,close" default:"suspend" placeholder:"WHAT"`

	ClientDesktops int     `help:"Desktops of a client at once; 0, the default, is as many as there may be." default:"0" placeholder:"N"`
	ClientSessions int     `help:"Sessions of a client at once (default ${default})." default:"64" placeholder:"N"`
	ClientRequests int     `help:"Requests and streams of a client at once (default ${default})." default:"256" placeholder:"N"`
	ClientRate     float64 `help:"Requests of a client a second, over five seconds; 0 is any number (default ${default})." default:"200" placeholder:"N"`
	ClientCalls    float64 `help:"Calls of a client a second (default ${default})." default:"50" placeholder:"N"`
	ClientTraffic  int64   `help:"Bytes to and from a client a minute; 0, the default, is any number." default:"0" placeholder:"N"`
	ClientHeld     int64   `help:"Bytes of requests of a client that are handled at once (default ${default})." default:"33554432" placeholder:"N"`
	ClientKept     int64   `help:"Bytes of answers to a client that wait to be read, or to be fetched again (default ${default})." default:"67108864" placeholder:"N"`
}

// Validate reports flags that cannot be served, or do not go together. What they name
// need not be there.
func (f httpFlags) Validate() error {
	switch {
	case f.HTTP == "" && (f.TLSCert != "" || f.Tokens != "" || f.Issuer != ""):
		return errors.New("--tls-cert, --tokens and --issuer are for --http: give it an address")
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case f.Issuer != "" && f.URL == "":
		return errors.New("--issuer needs --url, which clients and tokens name this server by")
	case f.Connections < 1, f.ClientSessions < 1, f.ClientRequests < 1, f.ClientDesktops < 0, f.ClientRate < 0, f.ClientCalls < 0, f.ClientTraffic < 0, f.ClientHeld < 0, f.ClientKept < 0:
		return errors.New("limits are 0 or more, and --connections, --client-sessions and --client-requests 1 or more")
	case f.Grace <= 0, f.SessionLife <= 0, f.DesktopLife <= 0, f.Finish <= 0:
		return errors.New("--grace, --session-life, --desktop-life and --finish are longer than 0s")
	}
	return errors.Join(f.validateAddress(), f.validateNames())
}

// validateAddress reports an address that nothing can listen on, or only with
// authentication. What a name stands for is found out when it is listened on.
func (f httpFlags) validateAddress() error {
	if f.HTTP == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(f.HTTP)
	if err != nil {
		return fmt.Errorf("--http %q is not an address such as 127.0.0.1:8808", f.HTTP)
	}
	ip := net.ParseIP(host)
	if ip == nil && host != "" {
		return nil
	}
	if err := auth.CheckListener(&net.TCPAddr{IP: ip}, f.Tokens != "" || f.Issuer != ""); err != nil {
		return fmt.Errorf("--http %s: %w", f.HTTP, err)
	}
	return nil
}

// validateNames reports names by which nobody could be told from others.
func (f httpFlags) validateNames() error {
	if _, err := guard.New(guard.Config{Hosts: f.AllowHost}); err != nil {
		return fmt.Errorf("--allow-host: %w", err)
	}
	if _, err := guard.New(guard.Config{Origins: f.AllowOrigin}); err != nil {
		return fmt.Errorf("--allow-origin: %w", err)
	}
	if f.URL != "" {
		if err := (auth.Resource{URL: f.URL}).Validate(); err != nil {
			return fmt.Errorf("--url: %w", err)
		}
	}
	if f.Issuer != "" {
		if _, err := auth.NewIssuer(f.Issuer, f.audience()); err != nil {
			return fmt.Errorf("--issuer: %w", err)
		}
	}
	return nil
}

// audience is what tokens of the issuer must be for.
func (f httpFlags) audience() string {
	if f.Audience != "" {
		return f.Audience
	}
	return f.URL
}

// keeps reports whether desktops outlive the server.
func (f httpFlags) keeps() bool { return f.HTTP != "" && f.AtExit == "suspend" }

// serve serves over HTTP until a is told to end.
func (f httpFlags) serve(a *app, server *mcp.Server) error {
	cfg, err := f.served(a)
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(a.ctx, "tcp", f.HTTP)
	if err != nil {
		return err
	}
	scheme := "http"
	if cfg.TLS != nil {
		scheme = "https"
	}
	a.log.Info("serving", "url", fmt.Sprintf("%s://%v/mcp", scheme, l.Addr()), "authentication", len(cfg.Verifiers) > 0)
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && cfg.TLS == nil && !tcp.IP.IsLoopback() {
		a.log.Warn("tokens and screens cross the network without encryption, unless a reverse proxy encrypts them: see --tls-cert")
	}
	return server.ServeHTTP(a.ctx, l, cfg)
}

// guard returns which requests are let through: those by the names that the operator
// said, be it only in the public URL or in the address to listen on.
func (f httpFlags) guard() guard.Config {
	hosts := slices.Clone(f.AllowHost)
	if u, err := url.Parse(f.URL); err == nil && u.Host != "" {
		hosts = append(hosts, u.Hostname())
	}
	if host, _, err := net.SplitHostPort(f.HTTP); err == nil && host != "" && !net.ParseIP(host).IsUnspecified() {
		hosts = append(hosts, host)
	}
	return guard.Config{Hosts: hosts, Origins: f.AllowOrigin, MaxConnections: f.Connections}
}

// served returns what the flags say.
func (f httpFlags) served(a *app) (mcp.HTTPConfig, error) {
	cfg := mcp.HTTPConfig{
		Guard: f.guard(),
		Limits: quota.Limits{
			Desktops: f.ClientDesktops,
			Sessions: f.ClientSessions,
			Requests: f.ClientRequests,
			Rate:     f.ClientRate,
			Calls:    f.ClientCalls,
			Traffic:  f.ClientTraffic,
			Held:     f.ClientHeld,
			Kept:     f.ClientKept,
		},
		Grace:       f.Grace,
		Life:        f.SessionLife,
		DesktopLife: f.DesktopLife,
		Keep:        f.keeps(),
		Finish:      f.Finish,
		Resource:    auth.Resource{URL: f.URL},
	}
	if f.Tokens != "" {
		tokens, err := auth.OpenTokens(f.Tokens, a.log)
		if err != nil {
			return cfg, err
		}
		cfg.Verifiers = append(cfg.Verifiers, tokens)
	}
	if f.Issuer != "" {
		issuer, err := auth.NewIssuer(f.Issuer, f.audience())
		if err != nil {
			return cfg, err
		}
		cfg.Verifiers = append(cfg.Verifiers, issuer)
		cfg.Resource.Issuers = []string{f.Issuer}
	}
	if f.TLSCert != "" {
		files, err := certificate.Open(f.TLSCert, f.TLSKey, a.log)
		if err != nil {
			return cfg, err
		}
		cfg.TLS = &tls.Config{GetCertificate: files.Get, MinVersion: tls.VersionTLS12}
	}
	return cfg, nil
}
