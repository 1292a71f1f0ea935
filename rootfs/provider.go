package rootfs

import (
	"context"
	"errors"
	"fmt"
)

// Provider understands one kind of spec.
type Provider interface {
	// Match returns the recipe for spec, or nil and no error when the spec
	// is of another kind. An error means that the spec is of this kind and
	// wrong; it says what to write instead. Match does not look whether what
	// the spec names is there.
	Match(spec string) (Recipe, error)
}

// Recipe knows how to build one image.
type Recipe interface {
	// Name returns the canonical form of the spec.
	Name() string
	// Hash returns a hash of everything this program puts into the build.
	// An image with another hash is outdated. It is empty when it cannot be
	// known, as when a file is gone: then no image is outdated.
	Hash() string
	// Space returns how many bytes the build needs on the disk, at most, as
	// far as that is known beforehand.
	Space() int64
	// Build makes the files of the image in the job's directory, and returns
	// a manifest that lacks the name, the recipe, and the sizes and hashes of
	// the files. When ctx ends it stops every process that it started before
	// it returns.
	Build(ctx context.Context, job *Job) (*Manifest, error)
}

// Providers returns the providers of this package in the order they are asked;
// the first that matches wins. [Options] take them, with others before or
// between them.
func Providers() []Provider {
	// The last one takes nearly every name for one in a registry.
	return []Provider{directories{}, squashes{}, tars{}, debian{}, registries{}}
}

// ErrOffline reports that a build needs the network and may not use it.
var ErrOffline = errors.New("this is offline")

func match(providers []Provider, spec string) (Recipe, error) {
	for _, p := range providers {
		switch r, err := p.Match(spec); {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrUnknownSpec, err)
		case r != nil:
			return r, nil
		}
	}
	return nil, fmt.Errorf("%w: %q: use %q, a directory, tar+file:PATH, squashfs+file:PATH or oci://NAME:TAG", ErrUnknownSpec, spec, DefaultSpec)
}
