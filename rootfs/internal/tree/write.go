package tree

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Bytes returns how many bytes of contents [Tree.WriteTar] writes.
func (t *Tree) Bytes() int64 {
	var sum int64
	for _, f := range t.plan().files {
		sum += f.node.size
	}
	return sum
}

// Newest returns the latest time of a file in the tree, in seconds since 1970.
func (t *Tree) Newest() int64 {
	var newest int64
	p := t.plan()
	for _, e := range slices.Concat(p.empty, p.files) {
		newest = max(newest, e.node.mtime)
	}
	return newest
}

// WriteTar writes the tree as a tar stream: first what has no contents, sorted
// by path, then the regular files in the order of the sources, then further
// names of files that have several. Parents come before what is in them, and equal
// sources give equal streams.
func (t *Tree) WriteTar(ctx context.Context, w io.Writer) error {
	plan := t.plan()
	tw := tar.NewWriter(w)
	for _, e := range plan.empty {
		if err := tw.WriteHeader(e.header()); err != nil {
			return fmt.Errorf("write %.200q: %w", e.path, err)
		}
	}
	for files := plan.files; len(files) > 0; {
		source := files[0].node.source
		n := slices.IndexFunc(files, func(e entry) bool { return e.node.source != source })
		if n < 0 {
			n = len(files)
		}
		if err := t.copyFiles(ctx, tw, t.sources[source], files[:n]); err != nil {
			return err
		}
		files = files[n:]
	}
	for _, l := range plan.links {
		h := l.header()
		h.Typeflag, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, l.first, 0, nil
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("write %.200q: %w", l.path, err)
		}
	}
	return tw.Close()
}

// copyFiles writes files, which are those of one source in its order.
func (t *Tree) copyFiles(ctx context.Context, tw *tar.Writer, s Source, files []entry) error {
	at := 0
	err := s.Each(ctx, t.budget.Limits, func(h *tar.Header, contents io.Reader) error {
		defer func() { at++ }()
		if len(files) == 0 || files[0].node.entry != at {
			return nil
		}
		f := files[0]
		files = files[1:]
		if h.Size != f.node.size {
			return errChanged
		}
		if err := tw.WriteHeader(f.header()); err != nil {
			return fmt.Errorf("write %.200q: %w", f.path, err)
		}
		if _, err := io.CopyN(tw, contents, f.node.size); err != nil {
			return fmt.Errorf("copy %.200q: %w", f.path, err)
		}
		return nil
	})
	if err == nil && len(files) > 0 {
		return errChanged
	}
	return err
}

var errChanged = errors.New("what is packed is not what it was")

// entry is a name in the stream.
type entry struct {
	path  string
	first string // the name that has the contents, when that is another
	node  *node
}

func (e entry) header() *tar.Header {
	n := e.node
	h := &tar.Header{
		Typeflag:   n.kind,
		Name:       e.path,
		Linkname:   n.target,
		Mode:       n.mode,
		Uid:        n.uid,
		Gid:        n.gid,
		ModTime:    time.Unix(n.mtime, 0),
		PAXRecords: n.xattrs,
	}
	switch n.kind {
	case tar.TypeDir:
		h.Name += "/"
	case tar.TypeReg:
		h.Size = n.size
	}
	return h
}

// plan is the stream in the order it is written.
type plan struct {
	empty []entry // directories, symbolic links and pipes
	files []entry // regular files
	links []entry // further names of regular files
}

func (t *Tree) plan() *plan {
	p := &plan{}
	first := make(map[*node]string)
	var walk func(dir *node, prefix string)
	walk = func(dir *node, prefix string) {
		for _, base := range slices.Sorted(maps.Keys(dir.children)) {
			e := entry{path: prefix + base, node: dir.children[base].node}
			e.first = first[e.node]
			switch {
			case e.node.kind != tar.TypeReg:
				p.empty = append(p.empty, e)
			case e.first != "":
				p.links = append(p.links, e)
			default:
				first[e.node] = e.path
				p.files = append(p.files, e)
			}
			if e.node.kind == tar.TypeDir {
				walk(e.node, e.path+"/")
			}
		}
	}
	walk(t.root, "")
	slices.SortFunc(p.files, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.node.source, b.node.source), cmp.Compare(a.node.entry, b.node.entry))
	})
	return p
}
