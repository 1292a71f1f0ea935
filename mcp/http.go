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
	"runtime/debug"
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
	Limits      quota.Limits    // of each client; no limit of sessions means 64, none of requests 256
	Grace       time.Duration   // for which a session outlives its last use; 0 means 15 minutes
	Life        time.Duration   // after which a session ends in any case; 0 means a day
	DesktopLife time.Duration   // after which a desktop ends in any case; 0 means never
	Keep        bool            // leave desktops of sessions to the owner of Desktops as well when the server is told to end
	Finish      time.Duration   // for calls in flight when the server is told to end; 0 means 20 seconds
	TLS         *tls.Config     // with certificates or GetCertificate; nil serves without encryption
}

// How long calls may take to finish, what then belongs to connections to end, and
// how many sessions and requests at once a client may have.
const (
	defaultFinish   = 20 * time.Second
	endTimeout      = 5 * time.Second
	defaultSessions = 64
	defaultRequests = 256
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
// Then no new calls are taken, those in flight are finished or, when cfg.Finish is over, cut off,
// sessions are ended with their desktops unless cfg.Keep is set, and l is closed. What was cut off
// is in the log; the error is about l alone. The desktops that outlive their sessions are left to
// the owner of Desktops.
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
		return errors.Join(fmt.Errorf("serve on %v: %w", l.Addr(), err), h.end(cfg.Finish, s.log))
	case <-ctx.Done():
		err := h.end(cfg.Finish, s.log)
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
	if cfg.Limits.Requests == 0 {
		cfg.Limits.Requests = defaultRequests
	}
	book := quota.NewBook(cfg.Limits)
	h := &httpServer{remote: newRemote(s, book, cfg.DesktopLife)}
	h.remote.keep = cfg.Keep
	h.transport = transport.New(transport.Config{
		Backend: h.remote,
		Quota:   book,
		Grace:   cfg.Grace,
		Life:    cfg.Life,
		Logger:  s.log,
		Taken:   guard.Claim,
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
	h.server.Handler = s.metrics.count(s.reportPanics(h.server.Handler)) // what the guard refuses as well
	h.server.TLSConfig = cfg.TLS
	h.server.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
	return h, nil
}

// reportPanics has the log tell of a handler that panics, as an error: what net/http logs is
// mostly what clients do wrong. The connection is closed.
func (s *Server) reportPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler {
				s.log.Error("handling a request panicked", "panic", v, "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler)
		}()
		next.ServeHTTP(w, r)
	})
}

func (h *httpServer) ready(w http.ResponseWriter, _ *http.Request) {
	if h.transport.Closing() {
		http.Error(w, "the server is closing", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// end ends what is served, within finish and a little more. What does not end by itself in that
// time is no error of a server that was told to end.
func (h *httpServer) end(finish time.Duration, log *slog.Logger) error {
	if finish == 0 {
		finish = defaultFinish
	}
	ctx, cancel := context.WithTimeout(context.Background(), finish)
	defer cancel()
	h.remote.leave()
	if err := h.transport.Shutdown(ctx); err != nil {
		log.Warn("calls were cut off, as the server ends", "after", finish, "err", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := h.remote.close(ctx); err != nil {
		log.Warn("desktops that are starting are left to end with their host", "err", err)
	}
	if h.server.Shutdown(ctx) != nil { // someone does not hang up
		return h.server.Close()
	}
	return nil
}
