package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// echo is a server that sends back what it gets.
func echo(t testing.TB) net.Addr {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return ln.Addr()
}

// says has a program in the guest say something to an address, and returns what comes
// back until as much has or the connection ends.
func (w *world) says(address, words string) (string, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	c, err := w.guest.dial(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, words); err != nil {
		return "", err
	}
	buf := make([]byte, len(words))
	n, err := io.ReadFull(c, buf)
	return string(buf[:n]), err
}

func TestConnections(t *testing.T) {
	server := echo(t)
	w := newWorld(t, policy.Allow, "a.example:7", "203.0.113.0/24:7", "[2001:db8::1]:7", "127.0.0.1:7", "shared.example")
	for _, addr := range []string{"203.0.113.1:7", "198.51.100.1:7", "198.51.100.2:7", "[2001:db8::1]:7", "10.0.0.1:7", "127.0.0.1:7", "[::1]:7", "203.0.113.1:8", "[64:ff9b::a00:1]:7"} {
		w.put(addr, server)
	}
	w.name("a.example", "198.51.100.1 10.0.0.1")
	w.name("b.example", "198.51.100.2")
	if _, err := w.says("198.51.100.1:7", "early"); err == nil {
		t.Error("an address can be reached before its name was asked for")
	}
	if diff := cmp.Diff([]string{"198.51.100.1"}, w.resolve("a.example")); diff != "" {
		t.Errorf("a name is answered with a private address (-want +got):\n%s", diff)
	}
	if got := w.resolve("b.example"); got != nil {
		t.Errorf("a name that is not allowed is answered with %q", got)
	}
	if diff := cmp.Diff([]string{"192.0.2.253"}, w.resolve(HostName)); diff != "" {
		t.Error(diff)
	}
	for addr, want := range map[string]bool{
		"203.0.113.1:7":              true,
		"198.51.100.1:7":             true, // its name was answered
		"[2001:db8::1]:7":            true,
		"192.0.2.253:7":              true, // the host's loopback, which is named
		"203.0.113.1:8":              false,
		"198.51.100.2:7":             false,
		"10.0.0.1:7":                 false,
		"192.0.2.253:8":              false,
		"[fd76:6d65:7474:6500::1]:7": false, // the loopback of IPv6, which is not
		"203.0.113.2:7":              false, // allowed, but there is nobody
	} {
		got, err := w.says(addr, "hello\n")
		if want != (got == "hello\n") || want != (err == nil) {
			t.Errorf("%s: %q, %v; want an answer: %t", addr, got, err, want)
		}
	}
	want := []string{
		"blocked tcp 198.51.100.1:7: it is not on the list of what this desktop may reach",
		"blocked dns b.example: it is not on the list of what this desktop may reach",
		"blocked tcp 10.0.0.1:7: the address is always refused (private)",
		"blocked tcp 127.0.0.1:8: the address is always refused (loopback)",
		"blocked tcp [::1]:7: the address is always refused (loopback)",
	}
	got := strings.Join(w.blocked(), "\n")
	for _, line := range want {
		if !strings.Contains(got, line) {
			t.Errorf("the log has no line %q:\n%s", line, got)
		}
	}
}

func TestLargeAmountsBothWays(t *testing.T) {
	server := echo(t)
	w := newWorld(t, policy.Open)
	w.put("203.0.113.1:7", server)
	c, err := w.guest.dial(t.Context(), "tcp", "203.0.113.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		c.Write(sent)
		closeWrite(c)
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(sent), err)
	}
}

// client returns a client of HTTP in the guest, for which every name has one address.
func (w *world) client(address string) *http.Client {
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return w.guest.dial(ctx, "tcp", address)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

func get(c *http.Client, url string) string {
	r, err := c.Get(url)
	if err != nil {
		return "error"
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return "error"
	}
	return fmt.Sprintf("%d %s", r.StatusCode, bytes.TrimSpace(b))
}

// TestWhomTheClientMeans holds that an allowed name opens its address for nobody else
// who is there.
func TestWhomTheClientMeans(t *testing.T) {
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Method, r.Host) })
	plain, secure := httptest.NewServer(who), httptest.NewTLSServer(who)
	defer plain.Close()
	defer secure.Close()
	w := newWorld(t, policy.Allow, "a.example:*", "203.0.113.9")
	w.name("a.example", "203.0.113.1")
	for addr, s := range map[string]*httptest.Server{"203.0.113.1:80": plain, "203.0.113.1:8080": plain, "203.0.113.1:443": secure, "203.0.113.1:8443": secure, "203.0.113.9:443": secure, "203.0.113.9:80": plain} {
		w.put(addr, s.Listener.Addr())
	}
	w.resolve("a.example")
	const blocked = "403 Blocked: the host of the HTTP request is not on the list of what this desktop may reach."
	for _, tt := range []struct{ addr, url, want string }{
		{"203.0.113.1:80", "http://a.example/", "200 GET a.example"},
		{"203.0.113.1:80", "http://A.Example./", "200 GET A.Example."},
		{"203.0.113.1:80", "http://b.example/", blocked},
		{"203.0.113.1:80", "http://203.0.113.1/", blocked},
		{"203.0.113.1:8080", "http://a.example:8080/", "200 GET a.example:8080"},
		{"203.0.113.1:8080", "http://b.example:8080/", blocked},
		{"203.0.113.1:443", "https://a.example/", "200 GET a.example"},
		{"203.0.113.1:443", "https://b.example/", "error"},
		{"203.0.113.1:443", "https://203.0.113.1/", "error"}, // no server name
		{"203.0.113.1:443", "http://a.example:443/", "400 Client sent an HTTP request to an HTTPS server."},
		{"203.0.113.1:8443", "https://a.example/", "200 GET a.example"},
		{"203.0.113.1:8443", "https://b.example/", "error"},
		{"203.0.113.9:443", "https://any.example/", "200 GET any.example"}, // the address itself is allowed
		{"203.0.113.9:80", "http://any.example/", "200 GET any.example"},
	} {
		if got := get(w.client(tt.addr), tt.url); got != tt.want {
			t.Errorf("%s at %s: %q, want %q", tt.url, tt.addr, got, tt.want)
		}
	}
	for _, tt := range []struct{ name, addr, words, want string }{
		{"second request", "203.0.113.1:80", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\n", "403 Forbidden"},
		{"absolute form", "203.0.113.1:80", "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "403 Forbidden"},
		{"two hosts", "203.0.113.1:80", "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", "400 Bad Request"},
		{"no host", "203.0.113.1:80", "GET / HTTP/1.0\r\n\r\n", "403 Forbidden"},
		{"tunnel", "203.0.113.1:80", "CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", "403 Forbidden"},
		{"tunnel on another port", "203.0.113.1:8080", "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n", "403 Forbidden"},
		{"HTTP/2 without TLS", "203.0.113.1:80", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 "},
		{"upgrade to HTTP/2", "203.0.113.1:80", "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "403 Forbidden"},
		{"smuggled", "203.0.113.1:80", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\n", "403 Forbidden"},
		{"another protocol", "203.0.113.1:443", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "400 Bad Request"},
	} {
		got := w.converse(tt.addr, tt.words)
		if !strings.Contains(got, tt.want) || strings.Contains(got, "GET b.example") || strings.Contains(got, "200 OK\r\n\r\n") {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	log := strings.Join(w.blocked(), "\n")
	for _, line := range []string{
		"blocked http b.example:80 (203.0.113.1): the host of the HTTP request is not on the list",
		"blocked tcp b.example:443 (203.0.113.1), ",
		"the TLS server name is not on the list",
		"the TLS ClientHello names no server",
		"a tunnel through a proxy could lead anywhere",
		notUnderstood,
	} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no line %q:\n%s", line, log)
		}
	}
}

// converse has the guest say something, and returns all that comes back until the
// connection ends or nothing more does.
func (w *world) converse(addr, words string) string {
	w.t.Helper()
	c, err := w.guest.dial(w.t.Context(), "tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, words)
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	b, _ := io.ReadAll(c)
	return string(b)
}

// TestServersThatSpeakFirst holds for protocols such as SSH that the check of whom the
// client means takes nothing away.
func TestServersThatSpeakFirst(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "220 hello\r\n")
			io.Copy(c, c)
			c.Close()
		}
	}()
	w := newWorld(t, policy.Allow, "a.example:25")
	w.name("a.example", "203.0.113.1")
	w.put("203.0.113.1:25", ln.Addr())
	w.resolve("a.example")
	c, err := w.guest.dial(t.Context(), "tcp", "203.0.113.1:25")
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 11)
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "220 hello\r\n" {
		t.Fatalf("%q, %v", buf, err)
	}
	io.WriteString(c, "EHLO guest\n")
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "EHLO guest\n" {
		t.Errorf("%q, %v", buf, err)
	}
	c.Close()
	if got := w.converse("203.0.113.1:25", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"); strings.Contains(got, "GET") {
		t.Errorf("HTTP after a greeting is passed on: %q", got)
	}
}

func TestPolicyIsTightened(t *testing.T) {
	w := newWorld(t, policy.Open)
	w.put("203.0.113.1:7", echo(t))
	w.put("203.0.113.2:7", echo(t))
	var conns []net.Conn
	for _, a := range []string{"203.0.113.1:7", "203.0.113.2:7"} {
		c, err := w.guest.dial(t.Context(), "tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	w.net.SetPolicy(w.policy(policy.Allow, "203.0.113.1:7"))
	io.WriteString(conns[0], "y")
	if _, err := io.ReadFull(conns[0], make([]byte, 1)); err != nil {
		t.Errorf("a connection that is still allowed was cut: %v", err)
	}
	if _, err := conns[1].Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a connection that is not allowed any more goes on: %v", err)
	}
	if _, err := w.says("203.0.113.2:7", "x"); err == nil {
		t.Error("a connection is made that is not allowed any more")
	}
}

func TestDatagrams(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	go func() {
		buf := make([]byte, 1<<10)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			pc.WriteTo(buf[:n], from)
		}
	}()
	w := newWorld(t, policy.Allow, "a.example:123/udp", "a.example:443")
	w.name("a.example", "203.0.113.1")
	w.put("203.0.113.1:123", pc.LocalAddr())
	w.put("203.0.113.1:443", pc.LocalAddr())
	w.put("8.8.8.8:53", pc.LocalAddr())
	w.resolve("a.example")
	for addr, want := range map[string]bool{"203.0.113.1:123": true, "203.0.113.1:443": false, "8.8.8.8:53": false} {
		c, err := w.guest.dial(t.Context(), "udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		c.Write([]byte("ping"))
		buf := make([]byte, 10)
		n, err := c.Read(buf)
		if want != (string(buf[:n]) == "ping") {
			t.Errorf("%s: %q, %v; want an answer: %t", addr, buf[:n], err, want)
		}
		c.Close()
	}
}

// TestDialersKnowTheNames holds for dialers that treat names differently, such as a
// proxy's.
func TestDialersKnowTheNames(t *testing.T) {
	server := echo(t)
	w := newWorld(t, policy.Allow, "a.example:7", "203.0.113.2:7")
	names := make(chan []string, 2)
	dial := w.net.cfg.Dial
	w.net.cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		names <- Names(ctx)
		return dial(ctx, network, address)
	}
	w.name("a.example", "203.0.113.1")
	w.put("203.0.113.1:7", server)
	w.put("203.0.113.2:7", server)
	w.resolve("a.example")
	for addr, want := range map[string][]string{"203.0.113.1:7": {"a.example"}, "203.0.113.2:7": nil} {
		if _, err := w.says(addr, "hello\n"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, <-names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", addr, diff)
		}
	}
}

func TestPublish(t *testing.T) {
	w := newWorld(t, policy.Allow)
	inside := newGuestListener(t, w.guest, 80)
	go func() {
		c, err := inside.Accept()
		if err != nil {
			return
		}
		io.Copy(c, c)
		c.Close()
	}()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	connect := func() (outside, accepted net.Conn) {
		t.Helper()
		outside, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { outside.Close() })
		if accepted, err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
		outside.SetDeadline(time.Now().Add(10 * time.Second))
		return outside, accepted
	}
	c, host := connect()
	w.net.Publish(host, 81) // where nobody listens
	if got, err := io.ReadAll(c); len(got) > 0 {
		t.Errorf("a port on which nobody listens says %q, %v", got, err)
	}
	c, host = connect()
	w.net.Publish(host, 80)
	io.WriteString(c, "hello")
	closeWrite(c)
	if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLimits(t *testing.T) {
	server := echo(t)
	w := newWorld(t, policy.Open)
	w.net.cfg.Limits.Connections = 2
	w.put("203.0.113.1:7", server)
	for i := range 3 {
		c, err := w.guest.dial(t.Context(), "tcp", "203.0.113.1:7")
		if (err == nil) != (i < 2) {
			t.Errorf("connection %d: %v", i, err)
		}
		if err == nil {
			defer c.Close()
		}
	}
	if e := w.entry("too many connections"); e.Verdict != audit.Limited {
		t.Errorf("trying again later may be of use, and the log says: %s", e)
	}
}
