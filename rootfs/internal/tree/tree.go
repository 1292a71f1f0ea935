package tree

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Source is one layer of a tree. It is read twice and yields the same entries
// each time.
type Source interface {
	// Each calls visit with each entry. The contents are valid until visit
	// returns and hold h.Size bytes.
	Each(ctx context.Context, limits Limits, visit func(h *tar.Header, contents io.Reader) error) error
	// Whiteouts reports whether names with the prefix ".wh." remove what
	// earlier sources have, as the OCI image specification says of layers.
	Whiteouts() bool
}

// Tree is a tree of files that was merged from sources.
type Tree struct {
	sources []Source
	budget  *budget
	root    *node
}

// node is a file, with one or more names.
type node struct {
	kind     byte // tar.TypeReg, TypeDir, TypeSymlink or TypeFifo
	mode     int64
	uid, gid int
	mtime    int64             // seconds since 1970
	target   string            // of a symbolic link
	xattrs   map[string]string // as PAX records

	children map[string]name // of a directory
	pathLen  int             // of a directory's path, in bytes

	// Where the contents of a regular file are.
	source, entry int
	size          int64
}

// name is what a directory calls a node, and which source said so last.
type name struct {
	*node
	source int
}

// Merge reads the sources, each of which is laid over those before it. Together
// they hold at least one file.
func Merge(ctx context.Context, limits Limits, sources ...Source) (*Tree, error) {
	t := &Tree{
		budget: newBudget(limits),
		root:   &node{kind: tar.TypeDir, mode: 0o755, children: make(map[string]name)},
	}
	for _, s := range sources {
		if err := t.Lay(ctx, s); err != nil {
			return nil, err
		}
	}
	if len(t.root.children) == 0 {
		return nil, errors.New("there are no files in it")
	}
	return t, nil
}

// Lay lays one more source over the tree. When it fails the tree is of no more
// use.
func (t *Tree) Lay(ctx context.Context, s Source) error {
	source, entry := len(t.sources), 0
	t.sources = append(t.sources, s)
	return s.Each(ctx, t.budget.Limits, func(h *tar.Header, _ io.Reader) error {
		defer func() { entry++ }()
		if err := t.add(source, entry, h); err != nil {
			return fmt.Errorf("entry %.200q: %w", h.Name, err)
		}
		return nil
	})
}

// maxLinks is how many symbolic links may lie on the way to one file, as in
// Linux; maxSteps is how many names, so that no archive keeps its reader busy
// for long.
const (
	maxLinks = 40
	maxSteps = 4096
)

// directory returns the directory at p, with symbolic links followed inside the
// tree: ".." and absolute targets end at its root. Directories that are not
// there are made for source; without one, that is -1, they are fs.ErrNotExist.
func (t *Tree) directory(p string, source int) (*node, error) {
	at := []*node{t.root}
	links := 0
	steps := 0
	for rest := strings.Split(p, "/"); len(rest) > 0; {
		if steps++; steps > maxSteps {
			return nil, errors.New("the way to it is too long")
		}
		part := rest[0]
		rest = rest[1:]
		dir := at[len(at)-1]
		switch part {
		case "", ".":
			continue
		case "..":
			at = at[:max(1, len(at)-1)]
			continue
		}
		child, ok := dir.children[part]
		switch {
		case !ok && source < 0:
			return nil, fs.ErrNotExist
		case !ok:
			n := &node{kind: tar.TypeDir, mode: 0o755}
			if err := t.attach(dir, part, n, source); err != nil {
				return nil, err
			}
			at = append(at, n)
		case child.kind == tar.TypeDir:
			at = append(at, child.node)
		case child.kind == tar.TypeSymlink:
			if links++; links > maxLinks {
				return nil, fmt.Errorf("more than %d symbolic links lie on its way", maxLinks)
			}
			if path.IsAbs(child.target) {
				at = at[:1]
			}
			rest = append(strings.Split(child.target, "/"), rest...)
		default:
			return nil, fmt.Errorf("%.200q on its way is not a directory", part)
		}
	}
	return at[len(at)-1], nil
}

// attach gives n the name base in dir.
func (t *Tree) attach(dir *node, base string, n *node, source int) error {
	length := dir.pathLen + 1 + len(base)
	if len(base) > maxName || length > t.budget.Path {
		return errors.New("its path is too long")
	}
	if n.kind == tar.TypeDir {
		n.pathLen = length
		n.children = make(map[string]name)
	}
	if err := t.budget.entry(len(base)); err != nil {
		return err
	}
	dir.children[base] = name{n, source}
	return nil
}

// removeBefore removes what sources before source have put into dir.
func (dir *node) removeBefore(source int) {
	for base := range dir.children {
		dir.removeName(base, source)
	}
}

// removeName removes base from dir as far as it comes from sources before
// source.
func (dir *node) removeName(base string, source int) {
	child, ok := dir.children[base]
	if !ok {
		return
	}
	if child.kind == tar.TypeDir {
		child.removeBefore(source)
		if len(child.children) > 0 {
			return
		}
	}
	if child.source < source {
		delete(dir.children, base)
	}
}
