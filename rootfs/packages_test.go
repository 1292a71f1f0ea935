package rootfs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	sumA = strings.Repeat("a", 64)
	sumB = strings.Repeat("b", 64)
)

func TestParsePackages(t *testing.T) {
	text := "Package: xterm\nVersion: 379-1\nArchitecture: amd64\nDescription-en: terminal\n Version: not this one\nSHA256: " + sumB + "\n\n\n" +
		"Package: adduser\nArchitecture: all\nVersion: 3.134\nSHA256: " + sumA + "\n"
	got, err := parsePackages(strings.NewReader(text + "\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Package{{"adduser", "3.134", "all", sumA}, {"xterm", "379-1", "amd64", sumB}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if _, err := parsePackages(strings.NewReader("Package: xterm\nVersion: 1\nArchitecture: amd64\n")); err == nil {
		t.Error("a package without its hash is taken")
	}
}

func FuzzParsePackages(f *testing.F) {
	f.Add("Package: a\nVersion: 1\nArchitecture: all\nSHA256: " + sumA + "\n")
	f.Add("\n\n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		packages, err := parsePackages(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, p := range packages {
			if p.Name == "" || p.Version == "" || p.Architecture == "" || len(p.SHA256) != 64 {
				t.Errorf("package %+v is not complete", p)
			}
		}
	})
}
