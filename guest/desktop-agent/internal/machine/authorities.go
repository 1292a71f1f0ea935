package machine

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/desktop"
)

// Where programs look for the authorities that they trust. Distributions have one
// file for all of them at one of these places; the first is made where there is none,
// because most programs know it.
var bundles = []string{
	"etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch
	"etc/pki/tls/certs/ca-bundle.crt",   // Fedora
	"etc/ssl/ca-bundle.pem",             // openSUSE
	"etc/ssl/cert.pem",                  // Alpine, for OpenSSL
}

const (
	localAuthorities = "usr/local/share/ca-certificates" // from which Debian's update-ca-certificates makes the bundle anew
	hashDir          = "etc/ssl/certs"                   // in which OpenSSL looks for one by its name's hash
)

// TrustAuthorities has the programs of the system at root trust certificate
// authorities. To do so twice does no more.
func TrustAuthorities(root string, all []desktop.Authority) error {
	if len(all) == 0 {
		return nil
	}
	for _, dir := range []string{localAuthorities, hashDir} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	var texts [][]byte
	for i, a := range all {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate})
		name := filepath.Join(localAuthorities, fmt.Sprintf("vmette-%d.crt", i+1))
		if err := os.WriteFile(filepath.Join(root, name), text, 0o644); err != nil {
			return err
		}
		if err := linkHash(filepath.Join(root, hashDir), a.SubjectHash, "/"+name); err != nil {
			return err
		}
		texts = append(texts, text)
	}
	for i, name := range bundles {
		if err := extend(filepath.Join(root, name), texts, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// linkHash gives a certificate the name that OpenSSL looks for: the hash, and a number
// that tells it from others of the same hash.
func linkHash(dir string, hash uint32, target string) error {
	for n := 0; ; n++ {
		name := filepath.Join(dir, fmt.Sprintf("%08x.%d", hash, n))
		err := os.Symlink(target, name)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if had, err := os.Readlink(name); err == nil && had == target {
			return nil
		}
	}
}

// extend adds to a bundle what is not in it yet. One that is not there is made, or left
// alone.
func extend(name string, texts [][]byte, create bool) error {
	had, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && create {
		err = nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var more []byte
	if len(had) > 0 && had[len(had)-1] != '\n' {
		more = []byte("\n")
	}
	for _, text := range texts {
		if !bytes.Contains(had, text) {
			more = append(more, text...)
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(more)
	return errors.Join(err, f.Close())
}

// trustPolicy has Chromium and Chrome, which have authorities of their own, trust
// these as well.
func trustPolicy(all []desktop.Authority) ([]byte, error) {
	certificates := make([][]byte, len(all)) // base64 in JSON, as the policy wants it
	for i, a := range all {
		certificates[i] = a.Certificate
	}
	return json.Marshal(map[string]any{"CACertificates": certificates})
}
