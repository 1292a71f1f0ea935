package sandbox_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

func TestReadAuthorities(t *testing.T) {
	one, two := sandboxtest.NewAuthority(t), sandboxtest.NewAuthority(t)
	server, key := one.Server(t, "example.org")
	tests := []struct {
		name  string
		files map[string][]byte
		want  [][]byte
		err   string
	}{
		{"PEM and DER", map[string][]byte{"a.crt": one.PEM(), "b.cer": two.Certificate}, [][]byte{one.Certificate, two.Certificate}, ""},
		{"two in a file", map[string][]byte{"a.pem": append(two.PEM(), one.PEM()...)}, [][]byte{two.Certificate, one.Certificate}, ""},
		{"one under two names", map[string][]byte{"a.pem": one.PEM(), "b.pem": one.PEM()}, [][]byte{one.Certificate}, ""},
		{"with its key", map[string][]byte{"a.pem": append(key, one.PEM()...), "b.key": key, "c.pem": key}, [][]byte{one.Certificate}, ""},
		{"with other files", map[string][]byte{"a.pem": one.PEM(), "README": []byte("hello"), ".hidden": []byte("x")}, [][]byte{one.Certificate}, ""},
		{"none", map[string][]byte{"README": []byte("hello"), "a.pem": key}, nil, "no certificate"},
		{"a server's", map[string][]byte{"a.pem": one.PEM(), "b.pem": server}, nil, "b.pem: certificate 2, of \"CN=example.org\", is not an authority's"},
		{"garbage", map[string][]byte{"a.pem": []byte("hello")}, nil, "a.pem: certificate 1"},
		{"huge", map[string][]byte{"a.pem": bytes.Repeat(one.PEM(), 4000)}, nil, "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, data := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := sandbox.ReadAuthorities(dir)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// Directories of OpenSSL have links, and a pipe is no file.
func TestReadAuthoritiesOfLinks(t *testing.T) {
	one := sandboxtest.NewAuthority(t)
	elsewhere, dir := filepath.Join(t.TempDir(), "one"), t.TempDir()
	put(t, elsewhere, string(one.PEM()))
	if err := os.Symlink(elsewhere, filepath.Join(dir, "one.pem")); err != nil {
		t.Fatal(err)
	}
	got, err := sandbox.ReadAuthorities(dir)
	if err != nil || len(got) != 1 {
		t.Errorf("%d certificates, %v", len(got), err)
	}
	if err := os.Mkdir(filepath.Join(dir, "two.pem"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.ReadAuthorities(dir); err == nil {
		t.Error("a directory is taken for a certificate")
	}
}

func TestConfigRefusesAuthorities(t *testing.T) {
	one := sandboxtest.NewAuthority(t).Certificate
	many := make([][]byte, desktop.MaxAuthorities+1)
	for i := range many {
		many[i] = one
	}
	for name, all := range map[string][][]byte{"garbage": {[]byte("hello")}, "cut short": {one[:len(one)-1]}, "too many": many} {
		cfg := sandboxtest.Config()
		cfg.Authorities = all
		if err := cfg.Validate(); !errors.Is(err, sandbox.ErrInvalidConfig) {
			t.Errorf("%s: error %v, want ErrInvalidConfig", name, err)
		}
	}
	cfg := sandboxtest.Config()
	cfg.Authorities = [][]byte{one}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}
