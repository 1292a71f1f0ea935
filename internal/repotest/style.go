package repotest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// MaxLines is how long a Go file may get.
const MaxLines = 600

// File is one file of the repository.
type File struct {
	Path string // relative to the repository, with slashes
	Data []byte
}

// CheckGo reports what is wrong with the style of one Go file.
func CheckGo(f File) []string {
	var bad []string
	complain := func(format string, args ...any) {
		bad = append(bad, f.Path+": "+fmt.Sprintf(format, args...))
	}

	if n := bytes.Count(f.Data, []byte("\n")); n > MaxLines {
		complain("%d lines are more than %d: split it", n, MaxLines)
	}
	if want, err := format.Source(f.Data); err != nil {
		complain("cannot be formatted: %v", err)
	} else if !bytes.Equal(want, f.Data) {
		complain("is not formatted: run gofmt -w")
	}

	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, f.Path, f.Data, parser.ParseComments)
	if err != nil {
		complain("does not parse: %v", err)
		return bad
	}
	if slices.Contains(vagueNames, strings.TrimSuffix(tree.Name.Name, "_test")) {
		complain("package name %s says nothing: name it after what is in it", tree.Name.Name)
	}
	for _, g := range tree.Comments {
		if m := unfinished.FindString(g.Text()); m != "" {
			complain("line %d: %s in a comment: finish it", set.Position(g.Pos()).Line, m)
		}
	}
	if mayNotSleep(f.Path, tree) {
		for _, pos := range calls(tree, "time", "Sleep") {
			complain("line %d: time.Sleep: wait for the event itself", set.Position(pos).Line)
		}
	}
	return bad
}

var (
	vagueNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "shared"}
	unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
)

// mayNotSleep reports whether a file must be free of fixed sleeps: all but the
// tests whose clock is the fake one of testing/synctest.
func mayNotSleep(name string, tree *ast.File) bool {
	if !strings.HasSuffix(name, "_test.go") {
		return true
	}
	return !slices.ContainsFunc(tree.Imports, func(s *ast.ImportSpec) bool {
		return s.Path.Value == `"testing/synctest"`
	})
}

// calls returns where tree calls pkg.name.
func calls(tree *ast.File, pkg, name string) []token.Pos {
	var at []token.Pos
	ast.Inspect(tree, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == name {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == pkg && x.Obj == nil {
				at = append(at, sel.Pos())
			}
		}
		return true
	})
	return at
}

// CheckDocs reports packages of this module without a package comment.
func CheckDocs(pkgs []Package) []string {
	var bad []string
	for _, p := range pkgs {
		if folder, ok := inModule(p.ImportPath); ok && p.Doc == "" && p.Name != "" {
			bad = append(bad, folder+": the package has no comment that says what it is")
		}
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

// CheckText reports what no committed text may hold: paths of the machine it
// was written on.
func CheckText(f File) []string {
	var bad []string
	for i, line := range strings.Split(string(f.Data), "\n") {
		if m := machinePath.FindString(line); m != "" {
			bad = append(bad, fmt.Sprintf("%s:%d: %s is a path of one machine", f.Path, i+1, m))
		}
	}
	return bad
}

// The alternatives are split so that this file does not complain of itself.
var machinePath = regexp.MustCompile(`(^|[\s"'=(` + "`" + `])/(` + `work|root|Users)` + `/[\w.-]+|/tmp` + `/(h-|brief|bash_jobs)[\w./-]*`)

// CheckLinks reports relative links of the Markdown file f that lead to no file
// of the repository.
func CheckLinks(f File, exists func(path string) bool) []string {
	var bad []string
	for _, m := range link.FindAllSubmatch(f.Data, -1) {
		target, _, _ := strings.Cut(string(m[1]), "#")
		if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
			continue
		}
		if p := path.Join(path.Dir(f.Path), target); !exists(p) {
			bad = append(bad, fmt.Sprintf("%s: the link to %s leads nowhere", f.Path, target))
		}
	}
	return bad
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
