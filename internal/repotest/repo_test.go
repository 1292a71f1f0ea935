package repotest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

const root = "../.."

// TestFloors applies the import floors to what is built for Linux and for
// macOS.
func TestFloors(t *testing.T) {
	for _, goos := range []string{"linux", "darwin"} {
		pkgs := list(t, goos)
		report(t, CheckFloors(pkgs))
		report(t, CheckDocs(pkgs))
	}
}

func TestGoFiles(t *testing.T) {
	for _, f := range files(t) {
		if strings.HasSuffix(f.Path, ".go") {
			report(t, CheckGo(f))
		}
	}
}

func TestTexts(t *testing.T) {
	exists := func(p string) bool {
		_, err := os.Stat(filepath.Join(root, filepath.FromSlash(p)))
		return err == nil
	}
	for _, f := range files(t) {
		if utf8.Valid(f.Data) {
			report(t, CheckText(f))
		}
		if strings.HasSuffix(f.Path, ".md") {
			report(t, CheckLinks(f, exists))
		}
	}
}

func report(t *testing.T, bad []string) {
	t.Helper()
	for _, b := range bad {
		t.Error(b)
	}
}

// list returns the packages of the module as built for goos.
func list(t *testing.T, goos string) []Package {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Name,Doc,Imports", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var pkgs []Package
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("decode output of go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 5 {
		t.Fatalf("go list found %d packages: the test looks at the wrong place", len(pkgs))
	}
	return pkgs
}

// files returns the files of the repository, without what builds leave in it.
func files(t *testing.T) []File {
	t.Helper()
	skip := map[string]bool{".git": true, "bin": true, "out": true, "cmd/vmette-mcp/agent/desktop-agent": true}
	var all []File
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case skip[rel] && d.IsDir():
			return fs.SkipDir
		case skip[rel] || !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(p)
		all = append(all, File{rel, data})
		return err
	})
	if err != nil {
		t.Fatalf("walk the repository: %v", err)
	}
	return all
}
