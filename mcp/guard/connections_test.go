package guard

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// listen serves a guarded handler on the loopback address.
func listen(t *testing.T, cfg Config, next http.Handler) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := mustNew(t, cfg).Server(next)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func ask(t *testing.T, c net.Conn) {
	t.Helper()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("ask: %v", err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("ask: answered %s, %v", res.Status, err)
	}
}

// Thousands of connections that idle close one another, and keep no one from
// being served: neither a newcomer nor one whose request is under way.
func TestIdleConnectionsAreInNobodysWay(t *testing.T) {
	const most, crowd = 8, 500
	entered, leave := make(chan struct{}), make(chan struct{})
	addr := listen(t, Config{MaxConnections: most}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			Claim(r.Context(), "alice")
			close(entered)
			<-leave
		}
	}))
	busy := dial(t, addr)
	fmt.Fprint(busy, "GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-entered

	idle := make([]net.Conn, crowd)
	for i := range idle {
		idle[i] = dial(t, addr)
		if i%2 == 0 {
			fmt.Fprint(idle[i], "GET / HTTP/1.1\r\nHost: loc") // and never the rest
		}
	}
	ask(t, dial(t, addr))
	closed := 0
	for _, c := range idle[:crowd-most] {
		if _, err := c.Read(make([]byte, 1)); err != nil {
			closed++
		}
	}
	if closed != crowd-most {
		t.Errorf("%d of %d connections were closed", closed, crowd-most)
	}
	close(leave)
	if res, err := http.ReadResponse(bufio.NewReader(busy), nil); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("the request under way was answered %v, %v", res, err)
	}
}

// Requests that take long are in nobody's way either: who has made them does not keep
// the connections of others from being used again.
func TestWhoHasFewConnectionsKeepsThem(t *testing.T) {
	for range 20 { // as maps have no order
		c := newConnections(3)
		connect := func() net.Conn {
			conn, _ := net.Pipe()
			c.state(conn, http.StateNew)
			return conn
		}
		alices := connect()
		c.claim(alices, "alice")
		c.state(alices, http.StateIdle)
		for range 2 {
			c.claim(connect(), "mallory")
		}
		newcomer := connect()
		if c.held[alices] == nil || c.held[newcomer] != nil {
			t.Fatal("the connection of one who has no other made way for a newcomer")
		}
	}
}

// A connection whose fellows all have requests under way is the one too many.
func TestNewcomerGoesWhenAllAreBusy(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	addr := listen(t, Config{MaxConnections: 2}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		Claim(r.Context(), r.RemoteAddr)
		entered <- struct{}{}
		<-leave
	}))
	for range 2 {
		fmt.Fprint(dial(t, addr), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		<-entered
	}
	if n, err := dial(t, addr).Read(make([]byte, 1)); err == nil {
		t.Errorf("the third connection was told %d bytes", n)
	}
	close(leave)
}

// A client that has many connections loses its own, in whatever state they are,
// and one that nobody has taken a request of has no right to its connection.
func TestWhoHasMostMakesWay(t *testing.T) {
	const most, crowd = 20, 60
	addr := listen(t, Config{MaxConnections: most}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client := r.Header.Get("X-Client"); client != "" {
			Claim(r.Context(), client)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body) // which never comes
	}))
	request := func(c net.Conn, client string) error {
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Client: %s\r\n\r\n", client)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	alice := dial(t, addr)
	if err := request(alice, "alice"); err != nil {
		t.Fatal(err)
	}
	for what, join := range map[string]func(c net.Conn){
		"idle":     func(c net.Conn) { _ = request(c, "mallory") },
		"new":      func(net.Conn) {},
		"not done": func(c net.Conn) { fmt.Fprint(c, "GET / HT") },
		"not taken": func(c net.Conn) {
			fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n")
		},
	} {
		for range crowd {
			join(dial(t, addr))
		}
		if err := request(alice, "alice"); err != nil {
			t.Fatalf("%s: another client lost its connection: %v", what, err)
		}
		if err := request(dial(t, addr), "bob"); err != nil {
			t.Errorf("%s: a newcomer is not served: %v", what, err)
		}
	}
}

// Who makes way is not waited for by those who come: neither what it was sent nor the
// farewell of TLS is taken by a client that does not read.
func TestNobodyWaitsForWhoMakesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnections(1)
		ours, theirs := net.Pipe()
		first := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}})
		shaken := make(chan error, 1)
		go func() {
			shaken <- tls.Client(ours, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}).Handshake()
		}()
		if err := errors.Join(first.Handshake(), <-shaken); err != nil {
			t.Fatal(err)
		}
		c.state(first, http.StateNew)
		begun := time.Now()
		_, another := net.Pipe()
		c.state(another, http.StateNew)
		if took := time.Since(begun); took > 0 {
			t.Errorf("the next connection waited for %v", took)
		}
		if _, err := ours.Read(make([]byte, 1)); err == nil {
			t.Error("the first one is still open")
		}
		another.Close()
	})
}

// selfSigned returns a certificate of localhost.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// pipes is a listener of connections in memory, whose clock a test can turn.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

// A client that sends a byte now and then is given up, in its header and in its
// body; one that waits for a long answer is not.
func TestSlowClients(t *testing.T) {
	for _, tt := range []struct {
		name, begin string
		limit       time.Duration
	}{
		{"header", "POST / HTTP/1.1\r\nHost: localhost\r\nX: ", headerTimeout},
		{"body", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n", bodyTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, careless, func(c net.Conn) {
				begun := time.Now()
				go func() { _, _ = io.Copy(io.Discard, c) }()
				_, err := io.WriteString(c, tt.begin)
				for err == nil && time.Since(begun) < time.Hour {
					time.Sleep(time.Second)
					_, err = io.WriteString(c, "x")
				}
				if took := time.Since(begun); took > tt.limit+2*time.Second {
					t.Errorf("it was given up after %v, want %v", took, tt.limit)
				}
			})
		})
	}
	t.Run("long answer", func(t *testing.T) {
		gone := make(chan error, 1)
		inBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-time.After(10 * bodyTimeout):
			}
			gone <- context.Cause(r.Context())
		}), func(c net.Conn) {
			fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
			if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
				t.Error(err)
			}
			if err := <-gone; err != nil {
				t.Errorf("the request ended with %v", err)
			}
		})
	})
}

// A client that does not take what it is answered is given up, whoever answers it
// and with whatever; one that takes its time between requests is not.
func TestClientsThatDoNotRead(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name, request string
		answer        http.HandlerFunc
	}{
		{"written", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, large) }},
		{"an error", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, large, http.StatusTeapot) }},
		{"a header", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", large)
			w.WriteHeader(http.StatusAccepted)
		}},
		{"nothing", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", func(http.ResponseWriter, *http.Request) {}},
		{"flushed", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }},
		{"refused", "GET / HTTP/1.1\r\nHost: evil.com\r\n\r\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.answer, func(c net.Conn) {
				_, err := io.WriteString(c, tt.request)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(writeTimeout + time.Second)
				if _, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
					t.Error("the answer was kept for it")
				}
			})
		})
	}
	t.Run("later", func(t *testing.T) {
		inBubble(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }), func(c net.Conn) {
			answers := bufio.NewReader(c)
			answer := func() *http.Response {
				res, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatal(err)
				}
				return res
			}
			for range 3 {
				fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
				if res := answer(); res.StatusCode != http.StatusContinue {
					t.Errorf("it is told %s", res.Status)
				}
				fmt.Fprint(c, "{}")
				_, _ = io.Copy(io.Discard, answer().Body)
				time.Sleep(writeTimeout + time.Second)
			}
		})
	})
}

// A stream over HTTP/2 on which something is said now and then is not taken for one whose
// client does not read, and a client that reads nothing of it loses it.
func TestStreamsOverHTTP2(t *testing.T) {
	for name, reads := range map[string]bool{"read": true, "not read": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const pause, events = writeTimeout / 2, 10
				said := make(chan error, 1)
				srv := mustNew(t, Config{}).Server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					event := strings.Repeat("x", 1<<20)
					for range events {
						if _, err := io.WriteString(w, event); err != nil {
							said <- err
							return
						}
						w.(http.Flusher).Flush()
						time.Sleep(pause)
					}
					said <- nil
				}))
				srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				served := make(chan error, 1)
				go func() { served <- srv.ServeTLS(l, "", "") }()
				ours, theirs := net.Pipe()
				l.conns <- theirs
				client := &http.Transport{
					DialContext:       func(context.Context, string, string) (net.Conn, error) { return ours, nil },
					TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
					ForceAttemptHTTP2: true,
				}
				res, err := (&http.Client{Transport: client}).Get("https://localhost/")
				if err != nil || res.ProtoMajor != 2 {
					t.Fatalf("%v, %v", res, err)
				}
				if reads {
					go func() { _, _ = io.Copy(io.Discard, res.Body) }()
				}
				begun := time.Now()
				if err := <-said; (err == nil) != reads {
					t.Errorf("the stream ended after %v with %v", time.Since(begun), err)
				}
				res.Body.Close()
				client.CloseIdleConnections()
				srv.Close()
				<-served
				ours.Close()
				time.Sleep(time.Minute) // in which net/http ends its timers
			})
		})
	}
}

// inBubble serves one connection under a fake clock.
func inBubble(t *testing.T, next http.Handler, client func(net.Conn)) {
	t.Helper()
	g := mustNew(t, Config{})
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{make(chan net.Conn), make(chan struct{})}
		srv := g.Server(next)
		done := make(chan error, 1)
		go func() { done <- srv.Serve(l) }()
		ours, theirs := net.Pipe()
		l.conns <- theirs
		client(ours)
		ours.Close()
		srv.Close()
		<-done
		time.Sleep(time.Second) // net/http lingers for half of it
	})
}

func TestLargeHeaders(t *testing.T) {
	inBubble(t, careless, func(c net.Conn) {
		go fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 1<<20))
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("answered %v, %v", res, err)
		}
	})
}
