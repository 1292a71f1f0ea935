package sandbox

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox/internal/x509hash"
)

// maxAuthorityFile bounds a file of [ReadAuthorities], in bytes.
const maxAuthorityFile = 1 << 20

// authorityFiles are the names of what ReadAuthorities reads.
var authorityFiles = []string{".pem", ".crt", ".cer"}

// ReadAuthorities returns, for [Config.Authorities], the certificates of certificate
// authorities in a directory, in DER: those of all files whose names end in .pem, .crt
// or .cer. Nothing else of these files is taken, private keys least of all. It fails
// if there are none, or one that is not an authority's.
func ReadAuthorities(dir string) ([][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	var all [][]byte
	for _, e := range entries {
		if !slices.Contains(authorityFiles, filepath.Ext(e.Name())) {
			continue
		}
		found, err := readAuthorityFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read authorities: %w", err)
		}
		for _, der := range found {
			// Directories of OpenSSL have each certificate under several names.
			if !slices.ContainsFunc(all, func(a []byte) bool { return bytes.Equal(a, der) }) {
				all = append(all, der)
			}
		}
		if _, err := parseAuthorities(all); err != nil {
			return nil, fmt.Errorf("read authorities: %s: %w", e.Name(), err)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read authorities: %s has no certificate in a file that ends in .pem, .crt or .cer", dir)
	}
	return all, nil
}

// readAuthorityFile returns the certificates of a file: of PEM those that are, or of
// DER the one that it is.
func readAuthorityFile(name string) ([][]byte, error) {
	// To open a pipe would wait for its other end.
	fi, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAuthorityFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxAuthorityFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxAuthorityFile)
	}
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		return [][]byte{data}, nil
	}
	var found [][]byte
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return found, nil
		}
		if block.Type == "CERTIFICATE" {
			found = append(found, block.Bytes)
		}
	}
}

// parseAuthorities reports what is wrong with certificates of authorities.
func parseAuthorities(all [][]byte) ([]*x509.Certificate, error) {
	if len(all) > desktop.MaxAuthorities {
		return nil, fmt.Errorf("%d certificates of authorities are more than %d", len(all), desktop.MaxAuthorities)
	}
	var parsed []*x509.Certificate
	size := 0
	for i, der := range all {
		if size += len(der); size > desktop.MaxAuthorityBytes {
			return nil, fmt.Errorf("the certificates of authorities are larger than %d bytes", desktop.MaxAuthorityBytes)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
		if !c.BasicConstraintsValid || !c.IsCA {
			return nil, fmt.Errorf("certificate %d, of %q, is not an authority's: leave out those of servers", i+1, c.Subject)
		}
		parsed = append(parsed, c)
	}
	return parsed, nil
}

// bootAuthorities returns what a guest is told of the authorities that it trusts. The
// config is valid.
func (c Config) bootAuthorities() []desktop.Authority {
	parsed, err := parseAuthorities(c.Authorities)
	if err != nil {
		return nil
	}
	var all []desktop.Authority
	for _, p := range parsed {
		hash, err := x509hash.Name(p.RawSubject)
		if err != nil {
			return nil
		}
		all = append(all, desktop.Authority{Certificate: p.Raw, SubjectHash: hash})
	}
	return all
}

func (c Config) validateAuthorities(errs *problems) {
	parsed, err := parseAuthorities(c.Authorities)
	for _, p := range parsed {
		_, e := x509hash.Name(p.RawSubject)
		err = errors.Join(err, e)
	}
	if err != nil {
		errs.add("%w", err)
	}
	if len(c.Authorities) > 0 && c.RootShare.Writable {
		errs.add("authorities would stay in the root that is written to: share it read-only, or put them there yourself")
	}
}

// authoritiesKey is what the authorities are to a key of what was saved.
func (c Config) authoritiesKey() string {
	h := sha256.New()
	for _, der := range c.Authorities {
		fmt.Fprintf(h, "%d\n%s", len(der), der)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
