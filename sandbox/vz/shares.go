package vz

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vmette/vmette-mcp/sandbox"
)

// maxTag is how many bytes the framework allows the tag of a share.
const maxTag = 35

// share is a directory of the host that the guest has as a virtio file system.
type share struct {
	tag      string
	path     string
	readOnly bool // the framework refuses what the guest writes
}

// shares returns those of cfg, the root first if it is one.
func shares(cfg sandbox.Config) []share {
	var all []share
	for _, s := range cfg.SharedDirectories() {
		all = append(all, share{tag: s.Tag, path: s.Path, readOnly: s.ReadOnly})
	}
	return all
}

// CanShare implements [sandbox.Sharer]. The framework shares any directory that
// this user can read.
func (b *Backend) CanShare(_ context.Context, dir string) error {
	if err := b.hv.usable(); err != nil {
		return err
	}
	_, err := resolveShare(dir)
	return err
}

// resolveShares has the machine share the directories that are there now, whatever
// becomes of the links that lead to them.
func (m *machine) resolveShares(context.Context) error {
	for i, s := range m.spec.shares {
		dir, err := resolveShare(s.path)
		if err != nil {
			return fmt.Errorf("share %s: %w", s.tag, err)
		}
		m.spec.shares[i].path = dir
	}
	return nil
}

// resolveShare returns the path of a directory without links.
func resolveShare(path string) (string, error) {
	dir, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", sandbox.ErrIO, err)
	}
	// What cannot be listed would be an empty directory to the guest.
	f, err := os.Open(dir)
	if err != nil {
		return "", fmt.Errorf("%w: %w", sandbox.ErrIO, err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil {
		return "", fmt.Errorf("%w: %w", sandbox.ErrIO, err)
	} else if !fi.IsDir() {
		return "", fmt.Errorf("%w: %s is not a directory", sandbox.ErrInvalidConfig, dir)
	}
	return dir, nil
}
