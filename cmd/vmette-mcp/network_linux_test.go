package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/rootfs"
)

// authority is a certificate authority of a test's own.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, cert: &x509.Certificate{
		Subject: pkix.Name{CommonName: "Authority of a test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	a.cert = a.sign(t, a.cert, &key.PublicKey)
	return a
}

// sign returns a certificate like the template, which is valid today.
func (a *authority) sign(t *testing.T, template *x509.Certificate, of *ecdsa.PublicKey) *x509.Certificate {
	t.Helper()
	var err error
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		t.Fatal(err)
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, of, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// trust has the browser, which does not run yet, trust the authority.
func (d desk) trust(a *authority) {
	d.t.Helper()
	policy, err := json.Marshal(map[string][][]byte{"CACertificates": {a.cert.Raw}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.call("write_file", map[string]any{"path": "trust.json", "text": string(policy)})
	d.shell("sudo cp trust.json /etc/chromium/policies/managed/")
}

// shop is a web server with a form, which remembers what was ordered.
type shop struct {
	*httptest.Server

	mu      sync.Mutex
	ordered []string
}

// newShop returns a server of HTTPS for this name, on loopback. Its form is sent to
// where action says.
func newShop(t *testing.T, a *authority, name, action string) *shop {
	t.Helper()
	s := new(shop)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, strings.Replace(orderPage, "ACTION", action, 1))
	})
	mux.HandleFunc("POST /order", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ordered = append(s.ordered, r.PostFormValue("what"))
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>thank you</title>")
	})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}, &key.PublicKey)
	s.Server = httptest.NewUnstartedServer(mux)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // Chromium connects beforehand, and changes its mind
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *shop) port() string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// orders returns what was ordered.
func (s *shop) orders() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.ordered, ", ")
}

// orderPage is a form over the whole window. Its title says when its field has the
// keyboard, and what is in it.
const orderPage = `<!doctype html>
<title>loading</title>
<style>body { margin: 0 } input { position: fixed; width: 100%; height: 100%; left: 0; top: 0; box-sizing: border-box }</style>
<form method="post" action="ACTION"><input id="field" name="what"></form>
<script>
const field = document.getElementById("field")
addEventListener("load", () => requestAnimationFrame(() => requestAnimationFrame(() => document.title = "drawn")))
field.onfocus = () => document.title = "focused"
field.oninput = () => document.title = "typed " + field.value + "."
</script>
`

// order opens a page with a form, fills it in and sends it, and returns what the result
// of that tells.
func (d desk) order(url, what string) string {
	d.t.Helper()
	d.call("open_url", map[string]any{"url": url})
	browser := d.find("chromium", "drawn")
	d.call("screenshot", nil) // Chromium takes no clicks before it has shown what is drawn
	d.call("left_click", map[string]any{"coordinate": browser.at(50, 60)})
	d.find("chromium", "focused")
	d.call("type", map[string]any{"text": what})
	d.find("chromium", "typed "+what+".")
	return d.call("key", map[string]any{"text": "Return"}).Text
}

// outward is a proxy that leads each connection to one server, and remembers where
// they were to go.
type outward struct {
	*httptest.Server

	mu    sync.Mutex
	asked []string
}

func newOutward(t *testing.T, server net.Addr) *outward {
	p := new(outward)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		p.mu.Unlock()
		out, err := net.Dial("tcp", server.String())
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
		io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		go io.Copy(out, in)
		io.Copy(in, out)
	}))
	t.Cleanup(p.Close)
	return p
}

// freePort returns a port of loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// TestIntegrationDesktopNetwork has a browser send forms over HTTPS to a server that is
// allowed and to one that is not, and looks at all else that a person has said of the
// network: a proxy, a published port, and less for this desktop later on. All servers
// are on loopback.
func TestIntegrationDesktopNetwork(t *testing.T) {
	const host = "host.vmette.internal" // as the guest names this host's loopback
	ca := newAuthority(t)
	blocked := newShop(t, ca, host, "/order")
	allowed := newShop(t, ca, host, "/order")
	elsewhere := newShop(t, ca, host, "https://"+host+":"+blocked.port()+"/order") // whose form leads away
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "reached\n") }))
	defer plain.Close()
	proxy := newOutward(t, plain.Listener.Addr())
	t.Setenv("HTTP_PROXY", strings.Replace(proxy.URL, "http://", "http://alice:s3cret@", 1))
	for _, v := range []string{"HTTPS_PROXY", "https_proxy", "http_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(v, "")
	}
	published := freePort(t)
	client := startServer(t, t.TempDir(), "--image", rootfs.DefaultSpec, "--start", "cold", "--net", "allow",
		"--net-allow", "127.0.0.1:"+allowed.port(), "--net-allow", "127.0.0.1:"+elsewhere.port(), "--net-allow", "203.0.113.10",
		"--publish", published+":8000")
	defer client.Close()
	d := desk{t, client, ""}
	d.trust(ca)
	d.order("https://"+host+":"+allowed.port()+"/", "tea")
	d.find("chromium", "thank you")
	if got := allowed.orders(); got != "tea" {
		t.Errorf("the server that is allowed got orders of %q", got)
	}

	// The refusal is told with the first result after it.
	target := "127.0.0.1:" + blocked.port()
	told := d.order("https://"+host+":"+elsewhere.port()+"/", "secrets")
	for begun := time.Now(); !strings.Contains(told, target) && time.Since(begun) < time.Minute; {
		told = d.call("wait", map[string]any{"duration": 0}).Text
	}
	if !strings.Contains(told, "The network of this desktop refused ") || !strings.Contains(told, target) || !strings.Contains(told, "trying again is of no use") {
		t.Errorf("the next result tells %q", told)
	}
	if got := blocked.orders() + elsewhere.orders(); got != "" {
		t.Errorf("the servers that are not allowed got %q", got)
	}
	if logged := d.call("network_log", map[string]any{"last": 100}).Text; !strings.Contains(logged, "blocked tcp "+target+": the address is always refused (loopback)") ||
		!strings.Contains(logged, "allowed tcp 127.0.0.1:"+allowed.port()) {
		t.Errorf("the log says %s", logged)
	}

	get := `exec 3<>/dev/tcp/203.0.113.10/80 && printf "GET / HTTP/1.0\r\nHost: 203.0.113.10\r\n\r\n" >&3 && tail -n 1 <&3`
	if got := d.shell(get); got != "reached\n" {
		t.Errorf("through the proxy the guest gets %q", got)
	}
	proxy.mu.Lock()
	if got := strings.Join(proxy.asked, ", "); got != "CONNECT 203.0.113.10:80 Basic YWxpY2U6czNjcmV0" {
		t.Errorf("the proxy was asked for %q", got)
	}
	proxy.mu.Unlock()

	// A published port leads to the desktop, after a rollback as well.
	d.call("write_file", map[string]any{"path": "serve.pl", "text": answering})
	d.shell("mkfifo ready opened ended")
	d.call("exec", map[string]any{"command": "perl serve.pl >ready", "background": true})
	d.shell("read line <ready")
	if got := fetch(t, published); got != "hello from the desktop\n" {
		t.Errorf("the published port says %q", got)
	}
	d.call("desktop_checkpoint", nil)
	if got := fetch(t, published); got != "hello from the desktop\n" {
		t.Errorf("once it was saved the published port says %q", got)
	}

	// Less from now on: what is open is cut, and a rollback does not bring it back.
	d.call("exec", map[string]any{"command": "exec 3<>/dev/tcp/" + host + "/" + allowed.port() + "; echo >opened; cat <&3; echo >ended", "background": true})
	d.shell("read line <opened")
	d.call("network_allow", map[string]any{"destinations": []string{"203.0.113.10:80"}})
	d.shell("read line <ended")
	d.call("desktop_rollback", nil)
	if got := d.shell("(exec 3<>/dev/tcp/" + host + "/" + allowed.port() + ") 2>&1 || true"); !strings.Contains(got, "refused") {
		t.Errorf("after a rollback the desktop reaches what was taken from it: %q", got)
	}
	if got := fetch(t, published); got != "hello from the desktop\n" {
		t.Errorf("after a rollback the published port says %q", got)
	}
	wide, err := client.Call(t.Context(), "network_allow", map[string]any{"destinations": []string{target}})
	if err != nil || !wide.IsError || !strings.Contains(wide.Text, "more than the owner of this server permits") {
		t.Errorf("more than the owner permits: %+v, %v", wide, err)
	}
}

// answering is a web server that is always of the same opinion.
const answering = `use Socket;
socket(S, PF_INET, SOCK_STREAM, 6) and setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1) and bind(S, sockaddr_in(8000, INADDR_ANY)) and listen(S, 9) or die $!;
$| = 1; print "ready\n";
while (accept(C, S)) { <C>; print C "HTTP/1.0 200 OK\r\n\r\nhello from the desktop\n"; close C }
`

// fetch returns what a web server on loopback says.
func fetch(t *testing.T, port string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
