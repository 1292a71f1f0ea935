package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http/httpproxy"
)

// corporate is a proxy of HTTP that lets alice out, whose password is "s3cret". It
// connects to one server, whatever it is asked for.
type corporate struct {
	*httptest.Server
	server string

	mu    sync.Mutex
	asked []string
}

func newCorporate(t *testing.T, secure bool) *corporate {
	t.Helper()
	p := &corporate{server: greeter(t)}
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(p.Close)
	return p
}

// greeter is a server that says "hello " and then what it is told.
func greeter(t *testing.T) string {
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
				io.WriteString(c, "hello ")
				io.Copy(c, c)
			}()
		}
	}()
	return ln.Addr().String()
}

func (p *corporate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.RequestURI)
	p.mu.Unlock()
	if r.Header.Get("Proxy-Authorization") != "Basic YWxpY2U6czNjcmV0" {
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
		return
	}
	if strings.HasSuffix(r.RequestURI, ":25") {
		http.Error(w, "no mail", http.StatusForbidden)
		return
	}
	out, err := net.Dial("tcp", p.server)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer out.Close()
	in, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	// The greeting comes with the answer, in one packet.
	greeting := make([]byte, len("hello "))
	io.ReadFull(out, greeting)
	io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n"+string(greeting))
	go func() {
		io.Copy(out, in)
		out.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(in, out)
}

// takeAsked returns what the proxy was asked for since the last call.
func (p *corporate) takeAsked() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := strings.Join(p.asked, ", ")
	p.asked = nil
	return all
}

// talk says "bye" to who is at the other end, and returns what comes back.
func talk(t *testing.T, c net.Conn) string {
	t.Helper()
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "bye"); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestConnectionsLeaveThroughTheProxy(t *testing.T) {
	p := newCorporate(t, false)
	via := "http://alice:s3cret@" + p.Listener.Addr().String()
	nobody := "http://192.0.2.1:1" // is never asked
	for _, tt := range []struct {
		name    string
		proxies httpproxy.Config
		address string
		asked   string // "" for a connection that leaves directly
	}{
		{"HTTPS", httpproxy.Config{HTTPSProxy: via, HTTPProxy: nobody}, "203.0.113.7:443", "CONNECT 203.0.113.7:443"},
		{"another port", httpproxy.Config{HTTPSProxy: via, HTTPProxy: nobody}, "203.0.113.7:22", "CONNECT 203.0.113.7:22"},
		{"IPv6", httpproxy.Config{HTTPSProxy: via}, "[2001:db8::1]:443", "CONNECT [2001:db8::1]:443"},
		{"HTTP", httpproxy.Config{HTTPProxy: via, HTTPSProxy: nobody}, "203.0.113.7:80", "CONNECT 203.0.113.7:80"},
		{"no proxy for HTTP", httpproxy.Config{HTTPSProxy: via}, "203.0.113.7:80", ""},
		{"an exception by address", httpproxy.Config{HTTPSProxy: via, NoProxy: "203.0.113.0/24"}, "203.0.113.7:443", ""},
		{"the host itself", httpproxy.Config{HTTPSProxy: via}, "127.0.0.1:3000", ""},
		{"exceptions for others", httpproxy.Config{HTTPSProxy: via, NoProxy: "198.51.100.0/24,.corp.example"}, "203.0.113.7:443", "CONNECT 203.0.113.7:443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := newDialer(tt.proxies, nil)
			if err != nil {
				t.Fatal(err)
			}
			direct := greeter(t)
			d.direct = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == tt.address {
					address = direct
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			c, err := d.Dial(t.Context(), "tcp", tt.address)
			if err != nil {
				t.Fatal(err)
			}
			if got := talk(t, c); got != "hello bye" {
				t.Errorf("it says %q", got)
			}
			if got := p.takeAsked(); got != tt.asked {
				t.Errorf("the proxy was asked for %q, want %q", got, tt.asked)
			}
		})
	}
}

func TestExceptionsByName(t *testing.T) {
	d, err := newDialer(httpproxy.Config{HTTPSProxy: "http://proxy.example:3128", NoProxy: ".corp.example"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for names, want := range map[string]bool{"": true, "a.example": true, "wiki.corp.example": false, "a.example wiki.corp.example": false} {
		via, err := d.via("203.0.113.7:443", strings.Fields(names))
		if err != nil || (via != nil) != want {
			t.Errorf("%q goes through %v, %v; want a proxy: %t", names, via, err, want)
		}
	}
}

func TestDatagramsLeaveDirectly(t *testing.T) {
	d, err := newDialer(httpproxy.Config{HTTPSProxy: "http://proxy.example:3128"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	d.direct = func(_ context.Context, network, address string) (net.Conn, error) {
		got = network + " " + address
		return nil, errors.New("stop")
	}
	d.Dial(t.Context(), "udp", "203.0.113.7:123")
	if got != "udp 203.0.113.7:123" {
		t.Errorf("what is dialled is %q", got)
	}
}

// TestProxyOverTLS holds that the proxy's certificate is checked.
func TestProxyOverTLS(t *testing.T) {
	p := newCorporate(t, true)
	d, err := newDialer(httpproxy.Config{HTTPSProxy: strings.Replace(p.URL, "https://", "https://alice:s3cret@", 1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Dial(t.Context(), "tcp", "203.0.113.7:443"); err == nil || !strings.Contains(err.Error(), "certificate") || p.takeAsked() != "" {
		t.Errorf("a proxy that cannot show who it is: %v", err)
	}
}

// TestFailuresTellWhatToDo looks at errors and at the log, in which no password is.
func TestFailuresTellWhatToDo(t *testing.T) {
	p := newCorporate(t, false)
	host := p.Listener.Addr().String()
	answering := func(answer string) string {
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
					io.WriteString(c, answer)
					io.Copy(io.Discard, c)
				}()
			}
		}()
		return ln.Addr().String()
	}
	for _, tt := range []struct{ name, via, address, says string }{
		{"wrong password", "http://alice:wr0ng@" + host, "203.0.113.7:443", "it wants other credentials"},
		{"no password", "http://" + host, "203.0.113.7:443", "it wants other credentials"},
		{"refused", "http://alice:s3cret@" + host, "203.0.113.7:25", "it refuses with status 403 Forbidden"},
		{"nobody there", "http://alice:s3cret@127.0.0.1:1", "203.0.113.7:443", "connection refused"},
		{"another protocol", "http://alice:s3cret@" + answering("SSH-2.0-OpenSSH_9.2\r\n"), "203.0.113.7:443", "does not answer as an HTTP proxy"},
		{"an answer without end", "http://alice:s3cret@" + answering("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("a", 2*maxAnswer)), "203.0.113.7:443", "does not answer as an HTTP proxy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var logged bytes.Buffer
			d, err := newDialer(httpproxy.Config{HTTPSProxy: tt.via}, slog.New(slog.NewTextHandler(&logged, nil)))
			if err != nil {
				t.Fatal(err)
			}
			c, err := d.Dial(t.Context(), "tcp", tt.address)
			if err == nil {
				c.Close()
				t.Fatal("it is connected")
			}
			told := err.Error() + logged.String() + d.String()
			if !strings.Contains(err.Error(), tt.says) || !strings.Contains(logged.String(), tt.says) {
				t.Errorf("the error is %q and the log %q, want %q", err, logged.String(), tt.says)
			}
			for _, secret := range []string{"s3cret", "wr0ng", "alice", "YWxpY2U6"} {
				if strings.Contains(told, secret) {
					t.Errorf("%q is told: %s", secret, told)
				}
			}
		})
	}
}

func TestProxyThatDoesNotAnswerIsGivenUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // whose connections nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d, err := newDialer(httpproxy.Config{HTTPSProxy: "http://" + ln.Addr().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.Dial(ctx, "tcp", "203.0.113.7:443"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial: %v, want that its time is up", err)
	}
}

func TestFromEnvironment(t *testing.T) {
	for _, v := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"} {
		t.Setenv(v, "")
	}
	if d, err := FromEnvironment(nil); d != nil || err != nil {
		t.Errorf("without a proxy: %v, %v", d, err)
	}
	t.Setenv("HTTPS_PROXY", "http://alice:s3cret@proxy.example:3128")
	t.Setenv("http_proxy", "proxy.example:3128")
	t.Setenv("NO_PROXY", "*") // for now
	d, err := FromEnvironment(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("proxy.example:3128", d.String()); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"socks5://alice:s3cret@proxy.example:1080", "http://alice:s3cret@", "http://alice:s3cret@proxy.example:port", "http://alice:s3%zz@proxy.example"} {
		t.Setenv("HTTPS_PROXY", bad)
		_, err := FromEnvironment(nil)
		if err == nil || !strings.Contains(err.Error(), "HTTPS_PROXY is not the address of an HTTP proxy") || strings.Contains(err.Error(), "s3") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
