package repotest

import (
	"fmt"
	"slices"
	"strings"
)

// Module is the path of this module.
const Module = "github.com/vmette/vmette-mcp"

// Package is what the rules need to know of one package: the fields of the
// same name that "go list -json" prints.
type Package struct {
	ImportPath string
	Name       string
	Doc        string
	Imports    []string
}

// Floor says what the packages of one folder may import. A package belongs to
// the floor with the longest Folder that it lies in.
type Floor struct {
	Folder  string   // relative to the module; packages in and below it belong to the floor
	Ours    []string // folders of this module it may import, beside its own
	StdOnly bool     // it imports the standard library and nothing else but Ours
}

// Floors is the house from top to bottom. Only cmd and capi know which backends exist;
// the guest agent and the host meet in desktop alone.
var Floors = []Floor{
	{Folder: "cmd", Ours: []string{"mcp", "rootfs", "sandbox", "desktop"}},
	{Folder: "capi", Ours: []string{"rootfs", "sandbox", "sandbox/egress", "sandbox/qemu", "sandbox/vz", "desktop"}},
	{Folder: "mcp", Ours: []string{"mcp/auth", "mcp/guard", "mcp/quota", "mcp/mcpgo", "mcp/rpc", "mcp/transport", "mcp/picture", "sandbox", "desktop"}},
	{Folder: "mcp/auth"},
	{Folder: "mcp/guard", StdOnly: true},
	{Folder: "mcp/quota"},
	{Folder: "mcp/mcpgo", Ours: []string{"mcp/rpc"}},
	{Folder: "mcp/rpc", StdOnly: true},
	{Folder: "mcp/transport", Ours: []string{"mcp/auth", "mcp/quota", "mcp/rpc"}},
	{Folder: "mcp/picture", Ours: []string{"desktop"}},
	{Folder: "mcp/mcpclient"},
	{Folder: "rootfs", Ours: []string{"desktop"}},
	{Folder: "sandbox", Ours: []string{"sandbox/egress", "desktop"}},
	{Folder: "sandbox/egress"},
	{Folder: "sandbox/qemu", Ours: []string{"sandbox", "sandbox/vhostvsock", "desktop"}},
	{Folder: "sandbox/vz", Ours: []string{"sandbox", "desktop"}},
	{Folder: "sandbox/vhostvsock"},
	{Folder: "sandbox/sandboxtest", Ours: []string{"sandbox", "desktop", "rootfs"}},
	{Folder: "guest/desktop-agent", Ours: []string{"desktop"}},
	{Folder: "desktop", StdOnly: true},
	{Folder: "internal/oracle", Ours: []string{"desktop"}},
	{Folder: "internal/repotest"},
	{Folder: "test/conformance", Ours: []string{"mcp/auth", "mcp/guard", "mcp/mcpgo", "mcp/rpc", "mcp/transport"}},
}

// Restricted are the modules that may be imported in one place alone, so that
// exchanging one touches one place. The benchmark is an X client of its own to
// see what the agent does.
var Restricted = map[string][]string{
	"github.com/mark3labs/mcp-go": {"mcp", "test/conformance"},
	"github.com/alecthomas/kong":  {"cmd"},
	"github.com/Code-Hex/vz":      {"sandbox/vz"},
	"gvisor.dev/gvisor":           {"sandbox/egress"},
	"github.com/jezek/xgb":        {"guest/desktop-agent", "cmd/vmette-mcp/internal/bench"},
}

// CheckFloors reports each import of pkgs that the floors forbid, and each
// package that stands on no floor.
func CheckFloors(pkgs []Package) []string {
	var bad []string
	for _, p := range pkgs {
		folder, ok := inModule(p.ImportPath)
		if !ok {
			continue
		}
		floor, ok := floorOf(folder)
		if !ok {
			bad = append(bad, fmt.Sprintf("%s stands on no floor: add its folder to Floors", folder))
			continue
		}
		for _, imp := range p.Imports {
			if why := forbidden(floor, folder, imp); why != "" {
				bad = append(bad, fmt.Sprintf("%s imports %s: %s", folder, imp, why))
			}
		}
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

// forbidden says why a package of folder on floor f must not import imp, or
// returns "".
func forbidden(f Floor, folder, imp string) string {
	if target, ok := inModule(imp); ok {
		tf, ok := floorOf(target)
		switch {
		case !ok:
			return "it stands on no floor"
		case tf.Folder == f.Folder, slices.Contains(f.Ours, tf.Folder), f.Folder == "cmd":
			return ""
		}
		return fmt.Sprintf("%s may import of ours only %v", f.Folder, f.Ours)
	}
	if imp == "C" && f.Folder != "capi" {
		return "no package but capi has cgo of its own"
	}
	for mod, homes := range Restricted {
		at := func(home string) bool { return within(folder, home) }
		if within(imp, mod) && !slices.ContainsFunc(homes, at) {
			return "it is imported in " + strings.Join(homes, " and ") + " alone"
		}
	}
	if f.StdOnly && isForeign(imp) {
		return f.Folder + " imports the standard library alone"
	}
	return ""
}

func floorOf(folder string) (Floor, bool) {
	var best Floor
	for _, f := range Floors {
		if within(folder, f.Folder) && len(f.Folder) > len(best.Folder) {
			best = f
		}
	}
	return best, best.Folder != ""
}

// inModule returns path relative to the module, and whether it is part of it.
func inModule(path string) (string, bool) {
	if path == Module {
		return ".", true
	}
	return strings.CutPrefix(path, Module+"/")
}

// within reports whether path is folder or lies below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// isForeign reports whether an import path is outside the standard library:
// its first element has a dot.
func isForeign(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return strings.Contains(first, ".")
}
