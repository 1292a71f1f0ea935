package egress

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// maxRequestHeader bounds the header of a request, in bytes.
const maxRequestHeader = 64 << 10

// serveHTTP carries a connection of HTTP, of which each request may name another
// host. So each is read and written anew: what the server sees is what was judged.
func (f *flow) serveHTTP(guest *rewound, host net.Conn) {
	transport := &http.Transport{
		DialContext:        f.dialer(host),
		DisableCompression: true,
	}
	defer transport.CloseIdleConnections()
	ln := newOneListener(guest)
	server := &http.Server{
		Handler:           f.handler(transport),
		MaxHeaderBytes:    maxRequestHeader,
		ReadHeaderTimeout: 2 * time.Minute,
		IdleTimeout:       5 * time.Minute,
		ErrorLog:          log.New(discard{}, "", 0),
		BaseContext:       func(net.Listener) context.Context { return f.ctx },
		ConnState:         ln.follow,
	}
	stop := context.AfterFunc(f.ctx, func() { server.Close() })
	defer stop()
	server.Serve(ln) // returns once the one connection has ended
	guest.Close()
	host.Close()
	if !f.understood.Load() && !guest.ended.Load() {
		f.refuse(notUnderstood)
	}
}

// dialer returns what connects to the flow's destination, whatever a request says.
// The first connection is there already.
func (f *flow) dialer(host net.Conn) func(context.Context, string, string) (net.Conn, error) {
	var once sync.Once
	return func(ctx context.Context, _, _ string) (c net.Conn, err error) {
		err = errCut // unless it is carried through
		defer f.n.guard()
		once.Do(func() { c = host })
		if c != nil {
			return c, nil
		}
		return f.dial(ctx)
	}
}

// handler passes requests on for whom the policy allows.
func (f *flow) handler(transport http.RoundTripper) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", f.dest.Addr.String()
			r.Out.Host = r.In.Host
			for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if v, ok := r.In.Header[h]; ok {
					r.Out.Header[h] = v
				}
			}
			r.Out.URL.RawQuery = r.In.URL.RawQuery
		},
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(discard{}, "", 0),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, "The server could not be reached.", http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p != http.ErrAbortHandler {
					f.n.fail(p)
				}
				panic(http.ErrAbortHandler)
			}
		}()
		f.understood.Store(true)
		name, reason := f.judgeRequest(r)
		if reason != "" {
			f.n.log(audit.Entry{Time: time.Now(), Kind: audit.HTTP, Name: name, Addr: f.dest.Addr, Verdict: audit.Blocked, Reason: reason})
			w.Header().Set("Connection", "close")
			http.Error(w, "Blocked: "+reason+".", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// judgeRequest returns whom a request is for, and why it may not be: "" if it may.
// The flow is for them from then on, before they are judged, so that a policy which
// changes meanwhile finds it.
func (f *flow) judgeRequest(r *http.Request) (name, reason string) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	name, ok := policy.CanonicalName(host)
	before := f.means(name)
	defer func() {
		if reason != "" {
			f.means(before)
		}
	}()
	switch {
	case r.Method == http.MethodConnect:
		return name, "a tunnel through a proxy could lead anywhere"
	case r.ProtoMajor != 1:
		return name, fmt.Sprintf("HTTP/%d is not carried without TLS", r.ProtoMajor)
	case strings.EqualFold(r.Header.Get("Upgrade"), "h2c"):
		return name, "HTTP/2 is not carried without TLS"
	case !ok || !f.mayMean(name):
		return name, "the host of the HTTP request is not on the list of what this desktop may reach"
	}
	return name, ""
}

// oneListener is a listener with one connection. Accept fails when that has ended.
type oneListener struct {
	conn net.Conn
	once sync.Once
	over chan struct{}
	end  sync.Once
}

func newOneListener(c net.Conn) *oneListener { return &oneListener{conn: c, over: make(chan struct{})} }

func (l *oneListener) Accept() (c net.Conn, err error) {
	l.once.Do(func() { c = &told{Conn: l.conn, l: l} })
	if c != nil {
		return c, nil
	}
	<-l.over
	return nil, net.ErrClosed
}

func (l *oneListener) Close() error {
	l.end.Do(func() { close(l.over) })
	return nil
}

func (l *oneListener) Addr() net.Addr { return l.conn.LocalAddr() }

// follow ends the listener with its connection, unless a protocol that was upgraded
// to has taken that over: then its Close does.
func (l *oneListener) follow(_ net.Conn, s http.ConnState) {
	if s == http.StateClosed {
		l.Close()
	}
}

// told is a connection whose listener is told when it is closed.
type told struct {
	net.Conn
	l *oneListener
}

func (c *told) Close() error {
	defer c.l.Close()
	return c.Conn.Close()
}

// discard drops what net/http would log: all of it is the guest's doing.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
