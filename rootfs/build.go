package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Build returns the image for spec and builds it first when it is not there.
// When another process is building it, Build waits for that and reports the
// other's progress. progress may be nil; it is called from other goroutines,
// one call at a time, and should return soon.
//
// An end of ctx stops the build within moments and leaves nothing of it.
func (s *Store) Build(ctx context.Context, spec string, progress func(Progress)) (*Image, error) {
	r, err := match(s.providers, spec)
	if err != nil {
		return nil, err
	}
	return s.buildRecipe(ctx, r, progress)
}

func (s *Store) buildRecipe(ctx context.Context, r Recipe, progress func(Progress)) (*Image, error) {
	if img, err := s.get(r); err == nil || !errors.Is(err, ErrNotBuilt) {
		return img, err
	}
	slug := s.slug(r.Name())
	unlock, err := s.lock(ctx, slug, progress)
	if err != nil {
		return nil, fmt.Errorf("build image %s: %w", r.Name(), err)
	}
	defer unlock()
	if img, err := s.get(r); err == nil || !errors.Is(err, ErrNotBuilt) {
		return img, err
	}
	img, err := s.build(ctx, r, slug, progress)
	if err != nil {
		return nil, fmt.Errorf("build image %s: %w", r.Name(), err)
	}
	return img, nil
}

// build runs with the lock of slug held.
func (s *Store) build(ctx context.Context, r Recipe, slug string, progress func(Progress)) (_ *Image, err error) {
	staging := filepath.Join(s.dir, "staging", slug)
	if err := removeStaging(staging); err != nil {
		return nil, err
	}
	if err := checkSpace(s.dir, r.Space()); err != nil {
		return nil, err
	}
	dir := filepath.Join(staging, "image")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, removeStaging(staging)) }()

	t := newTracker(progress, staging, weightsOf(r))
	hash := r.Hash() // before: what changes during the build is not in it for certain
	m, err := r.Build(ctx, &Job{Dir: dir, Progress: t.update, Offline: s.offline, store: s})
	if err != nil {
		return nil, err
	}
	m.Name, m.Recipe = r.Name(), hash
	t.update(Progress{Phase: PhaseSeal})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	final, err := s.seal(m, dir, slug)
	if err != nil {
		return nil, err
	}
	t.update(Progress{Phase: PhaseSeal, Done: 1, Total: 1})
	img, err := s.load(final)
	if err == nil {
		s.evict(img)
	}
	return img, err
}

// seal completes the manifest, makes everything durable and moves the image to
// its place under the name that its manifest gives it.
func (s *Store) seal(m *Manifest, dir, slug string) (string, error) {
	if err := removeWork(filepath.Join(dir, workDir)); err != nil {
		return "", err
	}
	m.Version, m.Architecture = manifestVersion, s.arch
	for _, f := range []*File{&m.Files.Kernel, &m.Files.Modules, &m.Files.Root} {
		var err error
		if *f, err = hashFile(dir, f.Name); err != nil {
			return "", err
		}
	}
	b, err := m.encode()
	if err != nil {
		return "", err
	}
	if err := writeFile(filepath.Join(dir, manifestFile), b); err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	final := filepath.Join(s.dir, "images", slug, hex.EncodeToString(sum[:]))
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return "", err
	}
	// A directory of that name can only be the same image, damaged since.
	if err := os.RemoveAll(final); err != nil {
		return "", err
	}
	if err := errors.Join(syncDir(dir), os.Rename(dir, final), syncDir(filepath.Dir(final))); err != nil {
		return "", fmt.Errorf("put image into the store: %w", err)
	}
	return final, nil
}

// sweep removes the staging directories that nobody is building in. One that
// resists stands in the way of nothing but the next build of the same image,
// which will say so.
func (s *Store) sweep() {
	slugs, err := os.ReadDir(filepath.Join(s.dir, "staging"))
	if err != nil {
		s.log.Warn("cannot look for what killed builds left", "err", err)
	}
	for _, e := range slugs {
		if err := s.sweepOne(e.Name()); err != nil {
			s.log.Warn("cannot remove what a killed build left", "build", e.Name(), "err", err)
		}
	}
}

func (s *Store) sweepOne(slug string) error {
	unlock, ok, err := tryLock(s.lockFile(slug))
	if err != nil || !ok {
		return err
	}
	defer unlock()
	return removeStaging(filepath.Join(s.dir, "staging", slug))
}

// waitEvery is how often a process that waits for another's build shows the
// other's progress.
const waitEvery = 250 * time.Millisecond

// lock takes the lock of slug. While another process has it, lock passes that
// process's progress on.
func (s *Store) lock(ctx context.Context, slug string, progress func(Progress)) (unlock func(), err error) {
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		unlock, ok, err := tryLock(s.lockFile(slug))
		if err != nil || ok {
			return unlock, err
		}
		if progress != nil {
			p, _ := readProgress(filepath.Join(s.dir, "staging", slug, progressFile))
			if p.Phase == "" {
				p.Phase = PhaseWait
			}
			progress(p)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (s *Store) lockFile(slug string) string {
	return filepath.Join(s.dir, "locks", slug+".lock")
}

// tryLock takes a lock that ends with the process. The file stays: to remove
// it could give two processes a lock of the same name.
func tryLock(file string) (unlock func(), ok bool, err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, false, fmt.Errorf("open lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return func() { _ = f.Close() }, true, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, false, f.Close()
	}
	return nil, false, errors.Join(fmt.Errorf("lock %s: %w", file, err), f.Close())
}

// checkSpace reports a disk that has less than need bytes left for users.
func checkSpace(dir string, need int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("look how much space is left in %s: %w", dir, err)
	}
	if have := uint64(st.Bavail) * uint64(st.Bsize); have < uint64(need) {
		return fmt.Errorf("%s has %d MiB left and the build needs %d: free some, or set XDG_CACHE_HOME to a directory on another disk",
			dir, have>>20, need>>20)
	}
	return nil
}

// writeFile writes b to a new file and makes it durable.
func writeFile(file string, b []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeStaging removes what a build left, if there is anything.
func removeStaging(staging string) error {
	if err := removeWork(filepath.Join(staging, "image", workDir)); err != nil {
		return err
	}
	if err := os.RemoveAll(staging); err != nil {
		return fmt.Errorf("remove what an earlier build left: %w", err)
	}
	return nil
}

// removeWork removes a work directory and the scratch directory that it may
// point to.
func removeWork(work string) error {
	if err := removeScratch(work); err != nil {
		return fmt.Errorf("remove the scratch directory of a build: %w", err)
	}
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("remove the work directory of a build: %w", err)
	}
	return nil
}
