// Package certificate keeps the certificate of a server up to date: one that is
// renewed is taken from its files while the server runs.
//
//	files, err := certificate.Open("cert.pem", "key.pem", log)
//	if err != nil {
//		return err
//	}
//	cfg := &tls.Config{GetCertificate: files.Get}
package certificate

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files are a certificate chain and its private key, each in a PEM file. They are
// read again when one of them has changed. What cannot be used is reported in
// the log and the certificate of before stays in use: of two files that are
// written one after the other, the first does not go with the second for a
// moment. It is safe for concurrent use.
type Files struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	stamps [2]stamp // of the files when they were read last
}

// stamp tells whether a file has changed. Whoever renews a certificate puts
// another file in the place of the old one or writes it anew; either shows.
type stamp struct {
	modified time.Time
	size     int64
	info     os.FileInfo
}

// Open reads the files. log may be nil.
func Open(cert, key string, log *slog.Logger) (*Files, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &Files{cert: cert, key: key, log: log}
	stamps, err := f.look()
	if err != nil {
		return nil, err
	}
	if err := f.load(stamps); err != nil {
		return nil, err
	}
	return f, nil
}

// Get returns the certificate, for [tls.Config.GetCertificate].
func (f *Files) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamps, err := f.look()
	switch {
	case err != nil:
		// They are being replaced, or the pair that is there is the last one.
	case stamps[0].same(f.stamps[0]) && stamps[1].same(f.stamps[1]):
	default:
		if err := f.load(stamps); err != nil {
			f.log.Error("the certificate was changed and cannot be used: the one of before stays in use", "err", err)
			break
		}
		f.log.Info("the certificate was changed, and is in use", "until", f.pair.Leaf.NotAfter)
	}
	return f.pair, nil
}

// look returns the stamps of the files.
func (f *Files) look() (stamps [2]stamp, err error) {
	for i, path := range []string{f.cert, f.key} {
		info, err := os.Stat(path)
		if err != nil {
			return stamps, fmt.Errorf("load certificate: %w", err)
		}
		stamps[i] = stamp{info.ModTime(), info.Size(), info}
	}
	return stamps, nil
}

func (s stamp) same(t stamp) bool {
	return s.modified.Equal(t.modified) && s.size == t.size && os.SameFile(s.info, t.info)
}

// load reads the files, which had these stamps before. It tries each state of
// them once.
func (f *Files) load(stamps [2]stamp) error {
	f.stamps = stamps
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	f.pair = &pair
	return nil
}
