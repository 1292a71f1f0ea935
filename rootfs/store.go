package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/rootfs/internal/tree"
)

// Store is a directory of images. It is safe for concurrent use, by several
// processes too.
//
//	images/SLUG/ID/     an image
//	initramfs/          what [Store.Initramfs] made
//	staging/SLUG/       a build in progress
//	downloads/          archives and layers, by digest, and what is there of others
//	locks/SLUG.lock     held by who builds SLUG
//
// A SLUG is the name of an image and the architecture, made fit for a file
// name.
type Store struct {
	dir       string
	arch      string
	providers []Provider
	offline   bool
	limit     int64
	limits    tree.Limits // of what is packed; the zero value but in tests
	log       *slog.Logger
}

// Options say where a store is and what it does.
type Options struct {
	// Dir is the store's directory; empty means vmette in the user's cache
	// directory.
	Dir string
	// Providers understand specs, in the order they are asked; nil means
	// those of [Providers].
	Providers []Provider
	// Offline lets no build use the network; one that would have to fails
	// with [ErrOffline].
	Offline bool
	// Limit is how many bytes images and downloads may take together. Beyond
	// it a build removes downloads, and then images, that have not been used
	// for longest, but none that was used within the hour. 0 keeps all images.
	// Downloads alone never take more than 4 GiB for long.
	Limit int64
	// Logger is told of what goes wrong without stopping anything; nil
	// discards that.
	Logger *slog.Logger
}

// Open opens the store in dir with the default options.
func Open(dir string) (*Store, error) { return OpenWith(Options{Dir: dir}) }

// OpenWith opens a store, creates it when it is not there, and removes what
// killed builds left.
func OpenWith(opts Options) (*Store, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	dir := opts.Dir
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("find the cache directory: %w", err)
		}
		dir = filepath.Join(cache, "vmette")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	if opts.Providers == nil {
		opts.Providers = Providers()
	}
	s := &Store{
		dir: dir, arch: runtime.GOARCH,
		providers: opts.Providers, offline: opts.Offline, limit: opts.Limit, log: opts.Logger,
	}
	for _, d := range []string{"images", "initramfs", "staging", "locks", "downloads"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("open image store: %w", err)
		}
	}
	s.sweep()
	return s, nil
}

// Dir returns the store's directory.
func (s *Store) Dir() string { return s.dir }

// Get returns the newest image that was built from spec with this program's
// recipe. The error matches [ErrNotBuilt] when there is none, and
// [ErrUnknownSpec] when no provider knows the spec.
func (s *Store) Get(ctx context.Context, spec string) (*Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := match(s.providers, spec)
	if err != nil {
		return nil, err
	}
	return s.get(r)
}

func (s *Store) get(r Recipe) (*Image, error) {
	imgs, err := s.read(s.slug(r.Name()))
	if err != nil {
		return nil, err
	}
	for _, img := range imgs {
		if img.Name == r.Name() && img.Problem == "" && !img.Outdated {
			s.touch(img)
			return img, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", ErrNotBuilt, r.Name())
}

// List returns all images, sorted by name and the newest first: those that this
// program cannot use too, because they take up space and [Store.Remove] removes
// them.
func (s *Store) List() ([]*Image, error) {
	slugs, err := os.ReadDir(filepath.Join(s.dir, "images"))
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var all []*Image
	for _, e := range slugs {
		imgs, err := s.read(e.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, imgs...)
	}
	slices.SortStableFunc(all, func(a, b *Image) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Remove removes the images that name means: a spec, or the first eight or
// more digits of an ID. Sandboxes that run keep the files they have open. The
// error matches [ErrNotBuilt] when there is no such image.
func (s *Store) Remove(name string) error {
	spec := name
	if r, err := s.recipe(name); err == nil {
		spec = r.Name()
	}
	imgs, err := s.List()
	if err != nil {
		return err
	}
	found := false
	for _, img := range imgs {
		// An ID may look like a spec, too.
		if img.Name != spec && (len(name) < 8 || !strings.HasPrefix(img.ID, name)) {
			continue
		}
		found = true
		if err := s.remove(img); err != nil {
			return fmt.Errorf("remove image %s: %w", img.Name, err)
		}
	}
	if !found {
		return fmt.Errorf("%w: %s", ErrNotBuilt, name)
	}
	return nil
}

// remove takes the manifest away first: without it the rest is no image.
func (s *Store) remove(img *Image) error {
	if err := os.Remove(img.Manifest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.RemoveAll(filepath.Dir(img.Manifest)), s.pruneInitramfs(img.ID, ""))
}

// read returns the images of one slug, newest first.
func (s *Store) read(slug string) ([]*Image, error) {
	ids, err := os.ReadDir(filepath.Join(s.dir, "images", slug))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read images: %w", err)
	}
	var imgs []*Image
	for _, e := range ids {
		dir := filepath.Join(s.dir, "images", slug, e.Name())
		img, err := s.load(dir)
		if err != nil {
			img = unusable(dir, err)
		}
		imgs = append(imgs, img)
	}
	slices.SortFunc(imgs, func(a, b *Image) int { return b.Built.Compare(a.Built) })
	return imgs, nil
}

func (s *Store) load(dir string) (*Image, error) {
	m, id, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	if filepath.Base(dir) != id {
		return nil, fmt.Errorf("image %s has the hash %s", filepath.Base(dir), id)
	}
	if err := m.check(dir); err != nil {
		return nil, err
	}
	fi, err := os.Stat(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, err
	}
	img := &Image{
		Name:       m.Name,
		ID:         id,
		Kernel:     filepath.Join(dir, m.Files.Kernel.Name),
		Modules:    filepath.Join(dir, m.Files.Modules.Name),
		Root:       filepath.Join(dir, m.Files.Root.Name),
		RootFormat: m.RootFormat,
		Manifest:   filepath.Join(dir, manifestFile),
		Size:       fi.Size(),
		Built:      fi.ModTime().Round(time.Second),
		Outdated:   true,
		Source:     m.Source,
		Process:    m.Process,
	}
	for _, f := range m.Files.list() {
		img.Size += f.Size
	}
	if r, err := s.recipe(m.Name); err == nil {
		hash := r.Hash()
		img.Outdated = hash != m.Recipe && hash != ""
	}
	return img, nil
}

// unusable describes the image in dir, which cannot be loaded because of err,
// as far as that goes.
func unusable(dir string, err error) *Image {
	img := &Image{
		Name:     filepath.Base(filepath.Dir(dir)),
		ID:       filepath.Base(dir),
		Manifest: filepath.Join(dir, manifestFile),
		Outdated: true,
		Problem:  err.Error(),
	}
	if b, err := readLimited(img.Manifest, maxManifest); err == nil {
		var m struct{ Name string }
		if json.Unmarshal(b, &m) == nil && m.Name != "" {
			img.Name = m.Name
		}
	}
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if fi, err := f.Info(); err == nil {
			img.Size += fi.Size()
		}
	}
	if fi, err := os.Stat(dir); err == nil {
		img.Built = fi.ModTime().Round(time.Second)
	}
	return img
}

// maxSlug keeps file names within what file systems take.
const maxSlug = 120

// slug turns an image's name into a file name. Several names may have one: that
// costs a wait when both are built at once, and no more.
func (s *Store) slug(name string) string {
	slug := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, name)
	if len(slug) > maxSlug {
		sum := sha256.Sum256([]byte(name))
		slug = slug[:maxSlug] + "-" + hex.EncodeToString(sum[:8])
	}
	return slug + "-" + s.arch
}
