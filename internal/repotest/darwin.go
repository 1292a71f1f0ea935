package repotest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// linuxOnly are the folders that never run on macOS.
var linuxOnly = []string{"guest/desktop-agent"}

// darwinTags are the build tags of what is built on macOS, or tested there, beside
// those of the system.
var darwinTags = []string{"libvmette", "long"}

// noC is the complaint about every file of this module that imports C.
const noC = "could not import C (no metadata for C)"

// CheckDarwin type-checks the packages that the patterns name, their tests
// included, as they are built on macOS for goarch, where cgo is needed for
// Virtualization.framework. It returns the complaints about this module, and which
// files of it were looked at, by absolute path.
//
// There is no C compiler for macOS here, so the C parts of dependencies are not
// looked at: what their Go code exports is typed all the same. So is our own code
// that C calls, but for its expressions with names of C. dir is the root of the
// repository; overlay replaces or adds files, by absolute path.
func CheckDarwin(ctx context.Context, dir, goarch string, overlay map[string][]byte, patterns ...string) (bad, checked []string, err error) {
	pkgs, err := packages.Load(&packages.Config{
		Context:    ctx,
		Mode:       packages.LoadAllSyntax | packages.NeedModule,
		Dir:        dir,
		Env:        append(os.Environ(), "GOOS=darwin", "GOARCH="+goarch, "CGO_ENABLED=1", "CC=false"),
		BuildFlags: []string{"-tags=" + strings.Join(darwinTags, ",")},
		Tests:      true,
		Overlay:    overlay,
	}, patterns...)
	if err != nil {
		return nil, nil, fmt.Errorf("load packages: %w", err)
	}
	packages.Visit(pkgs, nil, func(p *packages.Package) {
		if p.Module == nil || !p.Module.Main || isLinuxOnly(p.PkgPath) {
			return
		}
		checked = append(checked, p.CompiledGoFiles...)
		for _, e := range p.Errors {
			if e.Msg != noC && (e.Kind == packages.TypeError || e.Kind == packages.ParseError) {
				bad = append(bad, e.Error())
			}
		}
	})
	slices.Sort(bad)
	slices.Sort(checked)
	return slices.Compact(bad), slices.Compact(checked), nil // a package is there twice: with its tests and without
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
