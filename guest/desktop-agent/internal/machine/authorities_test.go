package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

const (
	onePEM = "-----BEGIN CERTIFICATE-----\nb25l\n-----END CERTIFICATE-----\n"
	twoPEM = "-----BEGIN CERTIFICATE-----\ndHdv\n-----END CERTIFICATE-----\n"
)

func TestTrustAuthorities(t *testing.T) {
	all := []desktop.Authority{{Certificate: []byte("one"), SubjectHash: 0xab}, {Certificate: []byte("two"), SubjectHash: 0xab}}
	tests := []struct {
		name  string
		image map[string]string
		want  map[string]string
	}{
		{"bare", nil, map[string]string{"etc/ssl/certs/ca-certificates.crt": onePEM + twoPEM}},
		{"Debian", map[string]string{
			"etc/ssl/certs/ca-certificates.crt": "debian's", // no end of its line
			"etc/ssl/certs/000000ab.0":          "another of this hash",
		}, map[string]string{
			"etc/ssl/certs/ca-certificates.crt": "debian's\n" + onePEM + twoPEM,
			"etc/ssl/certs/000000ab.0":          "another of this hash",
			"etc/ssl/certs/000000ab.1":          "/usr/local/share/ca-certificates/vmette-1.crt",
			"etc/ssl/certs/000000ab.2":          "/usr/local/share/ca-certificates/vmette-2.crt",
		}},
		{"Fedora", map[string]string{"etc/pki/tls/certs/ca-bundle.crt": "fedora's\n"}, map[string]string{
			"etc/pki/tls/certs/ca-bundle.crt":   "fedora's\n" + onePEM + twoPEM,
			"etc/ssl/certs/ca-certificates.crt": onePEM + twoPEM,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.image {
				put(t, filepath.Join(root, name), text)
			}
			for range 2 { // a root that is the host's keeps what it was given
				if err := TrustAuthorities(root, all); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]string{
				"usr/local/share/ca-certificates/vmette-1.crt": onePEM,
				"usr/local/share/ca-certificates/vmette-2.crt": twoPEM,
				"etc/ssl/certs/000000ab.0":                     "/usr/local/share/ca-certificates/vmette-1.crt",
				"etc/ssl/certs/000000ab.1":                     "/usr/local/share/ca-certificates/vmette-2.crt",
			}
			for name, text := range tt.want {
				want[name] = text
			}
			if diff := cmp.Diff(want, contents(t, root)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A system that trusts nobody new stays as it is.
func TestTrustNobody(t *testing.T) {
	root := t.TempDir()
	if err := TrustAuthorities(root, nil); err != nil {
		t.Error(err)
	}
	if got := contents(t, root); len(got) > 0 {
		t.Errorf("it has %v", got)
	}
}

func TestBrowserPolicyTrustsAuthorities(t *testing.T) {
	root := t.TempDir()
	if err := SetBrowserPolicy(root, []desktop.Authority{{Certificate: []byte("one")}}); err != nil {
		t.Fatal(err)
	}
	got := contents(t, root)
	for _, dir := range []string{"etc/chromium/policies/managed", "etc/opt/chrome/policies/managed"} {
		if text := got[dir+"/vmette-authorities.json"]; text != `{"CACertificates":["b25l"]}` {
			t.Errorf("%s has %q", dir, text)
		}
		if text := got[dir+"/vmette.json"]; !strings.Contains(text, "EncryptedClientHello") {
			t.Errorf("%s has %q", dir, text)
		}
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// contents returns the files of a directory with what is in them, and its links with
// where they lead.
func contents(t *testing.T, root string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(root, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		if e.Type()&os.ModeSymlink != 0 {
			files[rel], err = os.Readlink(name)
			return err
		}
		text, err := os.ReadFile(name)
		files[rel] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
