package mcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/guard"
	"github.com/vmette/vmette-mcp/mcp/quota"
	"github.com/vmette/vmette-mcp/mcp/transport"
)

// Where things are served.
const (
	pathMCP      = "/mcp"
	pathSSE      = "/sse"
	pathMessages = "/message"
)

// HTTPConfig says how [Server.ServeHTTP] serves. The zero value serves the
// loopback host without authentication.
type HTTPConfig struct {
	Guard       guard.Config    // which names and web pages are let through
	Verifiers   []auth.Verifier // of tokens; without any, everyone is let in, and only from this host
	Resource    auth.Resource   // for clients without a token; no URL means that they are told nothing
	Limits      quota.Limits    // of each client; no limit of sessions means 64
	Grace       time.Duration   // for which a session outlives its last use; 0 means 15 minutes
	Life        time.Duration   // after which a session ends in any case; 0 means a day
	DesktopLife time.Duration   // after which a desktop ends in any case; 0 means never
	Finish      time.Duration   // for calls in flight when the server is told to end; 0 means 20 seconds
	TLS         *tls.Config     // with certificates; nil serves without encryption
}

// How long calls may take to finish, what then belongs to connections to end, and
// how many sessions a client may have.
const (
	defaultFinish   = 20 * time.Second
	endTimeout      = 5 * time.Second
	defaultSessions = 64
)

// ServeHTTP serves conversations over HTTP on l until ctx is done:
//
//	/mcp             streamable HTTP, revisions 2025-03-26 to 2026-07-28
//	/sse, /message   HTTP with SSE, revision 2024-11-05
//	/healthz         200 while the process works
//	/readyz          200 while calls are taken
//	/metrics         for Prometheus
//
// A client is who its token says; see [auth]. It has the desktops it made, and no
// other one can name them. A session's own desktop ends with the session. A
// desktop that was asked for by desktop_create does not: its id is good in any
// session of the client until it is closed.
//
// Then no new calls are taken, those in flight are finished, sessions are ended
// with their desktops, and l is closed. It returns nil when that went well. The
// desktops that outlive their sessions are left to the owner of Desktops.
func (s *Server) ServeHTTP(ctx context.Context, l net.Listener, cfg HTTPConfig) error {
	defer l.Close()
	if err := auth.CheckListener(l.Addr(), len(cfg.Verifiers) > 0); err != nil {
		return fmt.Errorf("serve on %v: %w", l.Addr(), err)
	}
	h, err := s.newHTTP(cfg)
	if err != nil {
		return fmt.Errorf("serve on %v: %w", l.Addr(), err)
	}
	served := make(chan error, 1)
	go func() {
		if cfg.TLS != nil {
			served <- h.server.ServeTLS(l, "", "")
			return
		}
		served <- h.server.Serve(l)
	}()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("serve on %v: %w", l.Addr(), err), h.end(cfg.Finish))
	case <-ctx.Done():
		err := h.end(cfg.Finish)
		<-served // it has been shut down
		return err
	}
}

// httpServer is what serves HTTP.
type httpServer struct {
	server    *http.Server
	transport *transport.Transport
	remote    *remote
}

func (s *Server) newHTTP(cfg HTTPConfig) (*httpServer, error) {
	g, err := guard.New(cfg.Guard)
	if err != nil {
		return nil, err
	}
	if cfg.Limits.Sessions == 0 {
		cfg.Limits.Sessions = defaultSessions
	}
	book := quota.NewBook(cfg.Limits)
	h := &httpServer{remote: newRemote(s, book, cfg.DesktopLife)}
	h.transport = transport.New(transport.Config{
		Backend: h.remote,
		Quota:   book,
		Grace:   cfg.Grace,
		Life:    cfg.Life,
		Logger:  s.log,
	})
	s.metrics.sessions(h.transport.Sessions)
	mux := http.NewServeMux()
	gate := auth.Config{Verifiers: cfg.Verifiers, Logger: s.log}
	if cfg.Resource.URL != "" {
		if err := cfg.Resource.Validate(); err != nil {
			return nil, err
		}
		gate.Metadata = cfg.Resource.Metadata()
		if u, err := url.Parse(gate.Metadata); err == nil {
			mux.Handle("GET "+u.Path, cfg.Resource)
		}
		mux.Handle("GET "+auth.WellKnown, cfg.Resource)
	}
	clients := auth.NewGate(gate)
	mux.Handle(pathMCP, clients.Wrap(h.transport.Streamable()))
	mux.Handle(pathSSE, clients.Wrap(h.transport.SSE(pathMessages)))
	mux.Handle(pathMessages, clients.Wrap(h.transport.Messages()))
	mux.Handle("GET /metrics", clients.Wrap(promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", h.ready)
	h.server = g.Server(mux)
	h.server.Handler = s.metrics.count(h.server.Handler) // what the guard refuses as well
	h.server.TLSConfig = cfg.TLS
	h.server.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
	return h, nil
}

func (h *httpServer) ready(w http.ResponseWriter, _ *http.Request) {
	if h.transport.Closing() {
		http.Error(w, "the server is closing", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// end ends what is served, within finish and a little more.
func (h *httpServer) end(finish time.Duration) error {
	if finish == 0 {
		finish = defaultFinish
	}
	ctx, cancel := context.WithTimeout(context.Background(), finish)
	defer cancel()
	err := h.transport.Shutdown(ctx)
	ctx, cancel = context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	err = errors.Join(err, h.remote.close(ctx))
	if h.server.Shutdown(ctx) != nil { // someone does not hang up
		err = errors.Join(err, h.server.Close())
	}
	return err
}
