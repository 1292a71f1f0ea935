package rootfs

import (
	"context"
	"fmt"
)

// Provider understands one kind of spec.
type Provider interface {
	// Match returns the recipe for spec, or nil and no error when the spec
	// is of another kind. An error means that the spec is of this kind and
	// wrong; it says what to write instead.
	Match(spec string) (Recipe, error)
}

// Recipe knows how to build one image.
type Recipe interface {
	// Name returns the canonical form of the spec.
	Name() string
	// Hash returns a hash of everything this program puts into the build.
	// An image with another hash is outdated.
	Hash() string
	// Space returns how many bytes the build needs on the disk, at most.
	Space() int64
	// Build makes the files of the image in dir, an empty directory, and
	// returns a manifest that lacks only the sizes and hashes of the files.
	// It may use dir/work for what does not belong to the image. When ctx
	// ends it stops every process that it started before it returns.
	Build(ctx context.Context, dir string, progress func(Progress)) (*Manifest, error)
}

// providers are asked in this order; the first that matches wins.
func providers() []Provider { return []Provider{debian{}} }

func match(providers []Provider, spec string) (Recipe, error) {
	for _, p := range providers {
		switch r, err := p.Match(spec); {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrUnknownSpec, err)
		case r != nil:
			return r, nil
		}
	}
	return nil, fmt.Errorf("%w: %q: use %q or %q", ErrUnknownSpec, spec, DefaultSpec, MinimalSpec)
}
