package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// directories is the provider for directories of the host that hold a root file
// system: "dir:PATH", and paths that begin with "/", "./", "../" or "~/".
type directories struct{}

// Match implements [Provider].
func (directories) Match(spec string) (Recipe, error) {
	p, named := strings.CutPrefix(spec, "dir:")
	switch {
	case named:
	case strings.HasPrefix(p, "/"), strings.HasPrefix(p, "./"), strings.HasPrefix(p, "../"), strings.HasPrefix(p, "~/"), p == ".", p == "..":
	default:
		return nil, nil
	}
	if p == "" {
		return nil, errors.New("dir: needs a path, such as dir:/srv/rootfs")
	}
	p, err := absolute(p)
	if err != nil {
		return nil, err
	}
	return directoryRecipe{p}, nil
}

// Directory returns the path of the directory that spec names, if it is a spec of
// one. A backend that shares directories can boot it without an image being made of
// it, with the kernel that [Store.Kernel] returns.
func Directory(spec string) (path string, ok bool) {
	r, err := directories{}.Match(spec)
	d, ok := r.(directoryRecipe)
	return d.path, ok && err == nil
}

// absolute returns the absolute form of a path, which may begin with "~/".
func absolute(p string) (string, error) {
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the home directory that %q begins with: %w", p, err)
		}
		p = filepath.Join(home, rest)
	}
	return filepath.Abs(p)
}

// directoryRecipe packs a directory.
type directoryRecipe struct{ path string }

// Name implements [Recipe].
func (r directoryRecipe) Name() string { return "dir:" + r.path }

// Space implements [Recipe]. How large the directory is, is only known when it
// has been read.
func (r directoryRecipe) Space() int64 { return 0 }

// Hash implements [Recipe]. It reads no file, but sees when one is written,
// made, removed or changed in another way.
func (r directoryRecipe) Hash() string {
	h := packedHash()
	err := filepath.WalkDir(r.path, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		// The inode tells a file from another that was put in its place.
		fmt.Fprintf(h, "%q %v\n", p, stamp(fi))
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		// What cannot be read is reported by the build.
		fmt.Fprintln(h, err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Build implements [Recipe].
func (r directoryRecipe) Build(ctx context.Context, job *Job) (*Manifest, error) {
	fi, err := os.Stat(r.path)
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, fmt.Errorf("%s is a file: use tar+file:%[1]s or squashfs+file:%[1]s for an archive", r.path)
	}
	return job.PackDirectory(ctx, r.path)
}

// packedHash begins the hash of a recipe that packs what it finds elsewhere.
func packedHash() hash.Hash {
	h := sha256.New()
	fmt.Fprintln(h, "packed 2", runtime.GOARCH, newKernelRecipe().Hash(), rootFormat, packOptions)
	return h
}
