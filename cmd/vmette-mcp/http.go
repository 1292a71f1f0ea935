package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

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
	AllowHost   []string `help:"Names that clients reach the server by, beside localhost." placeholder:"NAME"`
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

	ClientDesktops int     `help:"Desktops of a client at once; 0, the default, is as many as there may be." default:"0" placeholder:"N"`
	ClientSessions int     `help:"Sessions of a client at once (default ${default})." default:"64" placeholder:"N"`
	ClientCalls    float64 `help:"Calls of a client a second (default ${default})." default:"50" placeholder:"N"`
	ClientTraffic  int64   `help:"Bytes to and from a client a minute; 0, the default, is any number." default:"0" placeholder:"N"`
	ClientHeld     int64   `help:"Bytes of requests of a client that are handled at once (default ${default})." default:"33554432" placeholder:"N"`
}

// Validate reports flags that do not go together.
func (f httpFlags) Validate() error {
	switch {
	case f.HTTP == "" && (f.TLSCert != "" || f.Tokens != "" || f.Issuer != ""):
		return errors.New("--tls-cert, --tokens and --issuer are for --http: give it an address")
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case f.Issuer != "" && f.URL == "":
		return errors.New("--issuer needs --url, which clients and tokens name this server by")
	case f.Connections < 1, f.ClientSessions < 1, f.ClientDesktops < 0, f.ClientCalls < 0, f.ClientTraffic < 0, f.ClientHeld < 0:
		return errors.New("limits are 0 or more, and --connections and --client-sessions 1 or more")
	case f.Grace <= 0, f.SessionLife <= 0, f.DesktopLife <= 0, f.Finish <= 0:
		return errors.New("--grace, --session-life, --desktop-life and --finish are longer than 0s")
	}
	return nil
}

// defaultIdle is after how long a desktop is ended that nobody uses, where no
// standard input ends with its client.
const defaultIdle = time.Hour

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

// served returns what the flags say.
func (f httpFlags) served(a *app) (mcp.HTTPConfig, error) {
	cfg := mcp.HTTPConfig{
		Guard: guard.Config{Hosts: f.AllowHost, Origins: f.AllowOrigin, MaxConnections: f.Connections},
		Limits: quota.Limits{
			Desktops: f.ClientDesktops,
			Sessions: f.ClientSessions,
			Calls:    f.ClientCalls,
			Traffic:  f.ClientTraffic,
			Held:     f.ClientHeld,
		},
		Grace:       f.Grace,
		Life:        f.SessionLife,
		DesktopLife: f.DesktopLife,
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
		audience := f.Audience
		if audience == "" {
			audience = f.URL
		}
		issuer, err := auth.NewIssuer(f.Issuer, audience)
		if err != nil {
			return cfg, err
		}
		cfg.Verifiers = append(cfg.Verifiers, issuer)
		cfg.Resource.Issuers = []string{f.Issuer}
	}
	if f.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(f.TLSCert, f.TLSKey)
		if err != nil {
			return cfg, fmt.Errorf("load certificate: %w", err)
		}
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	return cfg, nil
}
