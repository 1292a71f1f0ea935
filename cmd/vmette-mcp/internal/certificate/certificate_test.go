package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// files are those of a certificate, and a client that looks which one a server
// shows.
type files struct {
	t         *testing.T
	cert, key string
	addr      string
}

// serve serves TLS with the files until the test ends.
func serve(t *testing.T, log *slog.Logger) *files {
	t.Helper()
	dir := t.TempDir()
	f := &files{t: t, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	f.write(f.issue("first"))
	kept, err := Open(f.cert, f.key, log)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: kept.Get})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake() // the client tells how it went
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	f.addr = l.Addr().String()
	return f
}

// issue makes a certificate with a key of its own, both in PEM.
func (f *files) issue(name string) (cert, key []byte) {
	f.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		f.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		f.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

func (f *files) write(cert, key []byte) {
	f.replace(f.cert, cert)
	f.replace(f.key, key)
}

// replace puts another file in the place of one, as those do who renew
// certificates.
func (f *files) replace(path string, data []byte) {
	f.t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
}

// shown returns the name of the certificate that the server shows.
func (f *files) shown() string {
	f.t.Helper()
	c, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true}) // who it is, is what is asked
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// A certificate is renewed under the eyes of its server, which shows the old one
// until the new one is there whole.
func TestRenewal(t *testing.T) {
	var log bytes.Buffer
	f := serve(t, slog.New(slog.NewTextHandler(&log, nil)))
	want := func(name string) {
		t.Helper()
		if got := f.shown(); got != name {
			t.Errorf("the server shows %q, want %q", got, name)
		}
	}
	want("first")
	cert, key := f.issue("second")
	f.replace(f.cert, cert)
	want("first") // the key is that of the first one still
	f.replace(f.key, key)
	want("second")
	f.replace(f.cert, []byte("no certificate"))
	want("second")
	if err := os.Remove(f.key); err != nil {
		t.Fatal(err)
	}
	want("second")
	f.write(f.issue("third"))
	want("third")
	if s := log.String(); strings.Count(s, "cannot be used") != 2 || strings.Contains(s, "PRIVATE") {
		t.Errorf("the log says\n%s", s)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	f := &files{t: t, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	if _, err := Open(f.cert, f.key, nil); err == nil {
		t.Error("files that are not there are taken")
	}
	cert, _ := f.issue("one")
	_, key := f.issue("another")
	f.write(cert, key)
	if _, err := Open(f.cert, f.key, nil); err == nil {
		t.Error("a key of another certificate is taken")
	}
}
