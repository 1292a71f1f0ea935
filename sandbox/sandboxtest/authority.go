package sandboxtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Authority is a certificate authority of a test, which nobody else trusts.
type Authority struct {
	Certificate []byte // in DER

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority returns a new one, whose certificates are valid for a day around now.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	a := new(Authority)
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Authority of " + tb.Name()},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	a.Certificate, a.key = a.issue(tb, template)
	a.cert = parse(tb, a.Certificate)
	return a
}

// PEM returns the authority's certificate for a file.
func (a *Authority) PEM() []byte { return encode("CERTIFICATE", a.Certificate) }

// Server returns the certificate and the key of a server of this name, for files.
func (a *Authority) Server(tb testing.TB, name string) (cert, key []byte) {
	tb.Helper()
	der, private := a.issue(tb, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		DNSNames:    []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage:    x509.KeyUsageDigitalSignature,
	})
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8)
}

// issue makes a certificate, which the authority signs, or itself as long as there is
// none.
func (a *Authority) issue(tb testing.TB, template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-12*time.Hour), time.Now().Add(12*time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		tb.Fatal(err)
	}
	return der, key
}

func parse(tb testing.TB, der []byte) *x509.Certificate {
	tb.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
