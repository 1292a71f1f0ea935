package mcp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/guard"
)

// selfSigned returns a certificate of the loopback host, and who trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
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
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// Over TLS clients speak HTTP/2. A connection counts as one, however many calls are under
// way on it, and is not closed for others as long as one is.
func TestTLS(t *testing.T) {
	const (
		connections = 4
		atOnce      = 20
		crowd       = 50
	)
	certificate, pool := selfSigned(t)
	host := newFakeHost()
	v, as := tokens(t, "alice", "bob")
	w := serveHTTP(t, host, HTTPConfig{
		TLS:       &tls.Config{Certificates: []tls.Certificate{certificate}},
		Verifiers: []auth.Verifier{v},
		Guard:     guard.Config{MaxConnections: connections},
	})
	w.url = strings.Replace(w.url, "http://127.0.0.1", "https://localhost", 1)
	// client returns one with a connection of its own.
	client := func() *http.Transport {
		c := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
		t.Cleanup(c.CloseIdleConnections)
		return c
	}
	w.client = client()
	alice := w.session(as["alice"]...)
	id := w.call(alice, "desktop_create", `{}`).Result.StructuredContent.DesktopID
	if res := w.do("GET", "/healthz", ""); res.Proto != "HTTP/2.0" {
		t.Errorf("it speaks %s", res.Proto)
	}

	entered, leave := make(chan struct{}), make(chan struct{})
	host.do = func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
		entered <- struct{}{}
		<-leave
		return obey(ctx, d, a, o)
	}
	listening := w.do("GET", "/mcp", "", alice...)
	var calls sync.WaitGroup
	for range atOnce {
		calls.Go(func() {
			if o := w.call(alice, "cursor_position", `{"desktop_id":"`+id+`"}`); o.Result.IsError {
				t.Errorf("one of many calls is told %s", o.text())
			}
		})
	}
	for range atOnce {
		<-entered
	}
	var idle []net.Conn
	for range crowd {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(w.url, "https://"), &tls.Config{RootCAs: pool, NextProtos: []string{"h2"}})
		if err == nil { // or it has made way already
			idle = append(idle, conn)
		}
	}
	bob := &web{t: t, url: w.url, client: client()}
	if res := bob.do("POST", "/mcp", initialize, as["bob"]...); res.StatusCode != http.StatusOK {
		t.Errorf("a newcomer is answered %s", res.Status)
	}
	close(leave)
	calls.Wait()
	for _, conn := range idle {
		conn.Close()
	}
	if err := w.end(); err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, listening.Body); err != nil {
		t.Errorf("the stream of a server that ends breaks off: %v", err)
	}
}
