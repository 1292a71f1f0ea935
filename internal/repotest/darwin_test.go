package repotest

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// linuxOnly are the folders that never run on macOS.
var linuxOnly = []string{"guest/desktop-agent"}

// TestDarwin type-checks the module, its tests included, as it is built on
// macOS, where cgo is needed for Virtualization.framework. There is no C
// compiler for it here, so the C parts of dependencies are not looked at: what
// their Go code exports is typed all the same.
func TestDarwin(t *testing.T) {
	for _, goarch := range []string{"arm64", "amd64"} {
		t.Run(goarch, func(t *testing.T) {
			cfg := &packages.Config{
				Context: t.Context(),
				Mode:    packages.LoadAllSyntax | packages.NeedModule,
				Dir:     root,
				Env:     append(os.Environ(), "GOOS=darwin", "GOARCH="+goarch, "CGO_ENABLED=1", "CC=false"),
				Tests:   true,
			}
			pkgs, err := packages.Load(cfg, "./...")
			if err != nil {
				t.Fatalf("load packages: %v", err)
			}
			checked := 0
			packages.Visit(pkgs, nil, func(p *packages.Package) {
				if p.Module == nil || !p.Module.Main || isLinuxOnly(p.PkgPath) {
					return
				}
				checked++
				for _, e := range p.Errors {
					if e.Kind == packages.TypeError || e.Kind == packages.ParseError {
						t.Error(e)
					}
				}
			})
			if checked < 5 {
				t.Fatalf("%d packages were checked: the test looks at the wrong place", checked)
			}
		})
	}
}

func isLinuxOnly(path string) bool {
	folder, _ := inModule(strings.TrimSuffix(path, ".test"))
	for _, f := range linuxOnly {
		if within(folder, f) {
			return true
		}
	}
	return false
}
