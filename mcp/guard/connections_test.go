package guard

import (
	"bufio"
	"context"
	"fmt"
	"io"
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

// A connection whose fellows all have requests under way is the one too many.
func TestNewcomerGoesWhenAllAreBusy(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	addr := listen(t, Config{MaxConnections: 2}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
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
