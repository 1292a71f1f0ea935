package rootfs

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
)

// NewArchiveRecipe returns a recipe for the root file system in a tar archive,
// as [Job.PackArchive] takes it. It is what a [Provider] of one's own needs:
//
//	func (p ours) Match(spec string) (rootfs.Recipe, error) {
//		name, ok := strings.CutPrefix(spec, "ours:")
//		if !ok {
//			return nil, nil
//		}
//		return rootfs.NewArchiveRecipe(spec, p.version(name), p.opener(name)), nil
//	}
//
// name is the canonical spec. version changes when the archive does.
func NewArchiveRecipe(name, version string, open func() (io.ReadCloser, error)) Recipe {
	return archiveRecipe{name, version, open}
}

type archiveRecipe struct {
	name, version string
	open          func() (io.ReadCloser, error)
}

// Name implements [Recipe].
func (r archiveRecipe) Name() string { return r.name }

// Space implements [Recipe].
func (r archiveRecipe) Space() int64 { return 0 }

// Hash implements [Recipe].
func (r archiveRecipe) Hash() string {
	h := packedHash()
	fmt.Fprintln(h, "archive", r.version)
	return hex.EncodeToString(h.Sum(nil))
}

// Build implements [Recipe].
func (r archiveRecipe) Build(ctx context.Context, job *Job) (*Manifest, error) {
	return job.PackArchive(ctx, r.open)
}
