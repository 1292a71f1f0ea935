package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"
)

// Names with a meaning in the layers of an image: OCI image specification
// 1.1.0, "Image Layer Filesystem Changeset", section "Whiteouts".
const (
	whiteout       = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
	whiteoutOther  = ".wh..wh." // what AUFS kept for itself
)

// add puts one entry of a source into the tree.
func (t *Tree) add(source, entry int, h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	xattrs := keptXattrs(h.PAXRecords)
	n := len(h.Name) + len(h.Linkname)
	for k, v := range xattrs {
		n += len(k) + len(v)
	}
	if err := t.budget.entry(n); err != nil {
		return err
	}
	p, err := t.clean(h.Name)
	if err != nil {
		return err
	}
	if p == "." {
		if h.Typeflag != tar.TypeDir {
			return errors.New("the root is not a directory")
		}
		return nil
	}
	base := path.Base(p)
	if t.sources[source].Whiteouts() && strings.HasPrefix(base, whiteout) {
		return t.whiteOut(source, path.Dir(p), base)
	}
	dir, err := t.directory(path.Dir(p), source)
	if err != nil {
		return err
	}
	if h.Typeflag == tar.TypeLink {
		return t.link(dir, base, h.Linkname, source)
	}
	f, err := t.file(source, entry, h)
	if err != nil {
		return err
	}
	if f == nil {
		delete(dir.children, base)
		return nil
	}
	f.xattrs = xattrs
	if old, ok := dir.children[base]; ok && old.kind == tar.TypeDir && f.kind == tar.TypeDir {
		f.children, f.pathLen = old.children, old.pathLen
		*old.node = *f
		dir.children[base] = name{old.node, source}
		return nil
	}
	return t.attach(dir, base, f, source)
}

// file returns the node that h describes, or nil for what no image needs.
func (t *Tree) file(source, entry int, h *tar.Header) (*node, error) {
	if err := errors.Join(t.budget.owner(h.Uid), t.budget.owner(h.Gid)); err != nil {
		return nil, err
	}
	n := &node{
		kind:  h.Typeflag,
		mode:  h.Mode & 0o7777,
		uid:   h.Uid,
		gid:   h.Gid,
		mtime: min(max(h.ModTime.Unix(), 0), 1<<32-1), // what squashfs can hold
	}
	switch h.Typeflag {
	case tar.TypeDir, tar.TypeFifo:
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		if err := t.budget.contents(h.Size); err != nil {
			return nil, err
		}
		n.kind, n.source, n.entry, n.size = tar.TypeReg, source, entry, h.Size
	case tar.TypeSymlink:
		if h.Linkname == "" || len(h.Linkname) > t.budget.Path || strings.ContainsRune(h.Linkname, 0) {
			return nil, errors.New("it is a symbolic link without a valid target")
		}
		n.target = h.Linkname
	case tar.TypeChar, tar.TypeBlock:
		// A guest gets its devices from its kernel. Some numbers would
		// mean something else to what mounts the image.
		return nil, nil
	default:
		return nil, fmt.Errorf("it is of the unknown type %q", h.Typeflag)
	}
	return n, nil
}

// link gives the file at target one more name.
func (t *Tree) link(dir *node, base, target string, source int) error {
	p, err := t.clean(target)
	if err != nil {
		return fmt.Errorf("hard link to %.200q: %w", target, err)
	}
	var n name
	from, err := t.directory(path.Dir(p), -1)
	if err == nil {
		n = from.children[path.Base(p)]
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hard link to %.200q: %w", target, err)
	}
	switch {
	case n.node == nil:
		return fmt.Errorf("hard link to %.200q, which the archive does not have", target)
	case n.kind == tar.TypeDir:
		return fmt.Errorf("hard link to %.200q, which is a directory", target)
	}
	return t.attach(dir, base, n.node, source)
}

// whiteOut removes what earlier sources have.
func (t *Tree) whiteOut(source int, in, base string) error {
	dir, err := t.directory(in, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	switch target := strings.TrimPrefix(base, whiteout); {
	case base == whiteoutOpaque:
		dir.removeBefore(source)
	case strings.HasPrefix(base, whiteoutOther):
	case target == "" || target == "." || target == "..":
		return errors.New("it removes no file of its directory")
	default:
		dir.removeName(target, source)
	}
	return nil
}

// clean returns the path that an entry's name means, relative to the root of
// the tree: "." for the root. A name with ".." is refused: no program writes
// it without ill intent or error.
func (t *Tree) clean(name string) (string, error) {
	switch {
	case len(name) > t.budget.Path:
		return "", errors.New("its path is too long")
	case strings.ContainsRune(name, 0):
		return "", errors.New("its path holds a NUL")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", errors.New(`its path has ".." in it`)
		}
	}
	return path.Clean("./" + strings.TrimLeft(name, "/")), nil
}

// xattrRecord is the prefix of the PAX records that hold extended attributes.
const xattrRecord = "SCHILY.xattr."

// keptXattrs returns the extended attributes that mean something in an image:
// capabilities of programs and what users note. Others could tell the overlay
// file system or a security module of the guest things that its owner has not.
func keptXattrs(records map[string]string) map[string]string {
	kept := maps.Clone(records)
	maps.DeleteFunc(kept, func(k, _ string) bool {
		name, ok := strings.CutPrefix(k, xattrRecord)
		return !ok || name != "security.capability" && !strings.HasPrefix(name, "user.")
	})
	if len(kept) == 0 {
		return nil
	}
	return kept
}
