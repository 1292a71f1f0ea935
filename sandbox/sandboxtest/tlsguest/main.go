// Command tlsguest is a server and a client of TLS in a guest.
//
//	tlsguest serve FROM UNTIL   serves with a certificate that is valid from and until then
//	tlsguest dial               says "verified", or why it does not trust the server
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"time"
)

const (
	address  = "127.0.0.1:4433"
	certFile = "/tmp/tlsguest.der"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println(err)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "serve":
		from, err := strconv.ParseInt(args[1], 10, 64)
		until, err2 := strconv.ParseInt(args[2], 10, 64)
		if err = errors.Join(err, err2); err != nil {
			return err
		}
		return serve(time.Unix(from, 0), time.Unix(until, 0))
	case len(args) == 1 && args[0] == "dial":
		return dial()
	}
	return errors.New("usage: tlsguest serve FROM UNTIL | tlsguest dial")
}

func serve(from, until time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(certFile, der, 0o600); err != nil {
		return err
	}
	l, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		return err
	}
	fmt.Println("serving")
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_ = conn.(*tls.Conn).Handshake() // the client says what became of it
		}()
	}
}

func dial() error {
	der, err := os.ReadFile(certFile)
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		return err
	}
	fmt.Println("verified")
	return conn.Close()
}
