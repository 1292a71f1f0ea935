package sandbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
)

// ErrNoTemplate reports that there is no template of a config yet, or none that
// is still what a cold boot would make. [Templates.Build] makes one.
var ErrNoTemplate = errors.New("no template")

// Templates keeps desktops that were booted, had settled and were saved, so that
// new ones start from them in a fraction of the time. It is safe for concurrent
// use, by several processes too.
//
//	KEY/                a template: what [Snapshot.Store] writes, and template.json
//	KEY.new/            one on its way
//	KEY.lock            held by who makes it
//
// A KEY is a hash of everything that went in: see [Templates.Key]. A directory
// without a template.json is no template: that file is written last and removed
// first.
type Templates struct {
	cfg TemplatesConfig
	log *slog.Logger

	ctx    context.Context // of what reads templates; ends with Close
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	loaded map[string]*loading // by key
	hashes map[string]hashed   // of files that went into keys, by path
}

// TemplatesConfig says where templates are and what is in them. Dir and Backend
// are needed.
type TemplatesConfig struct {
	Dir       string // made with mode 0700: what is in it can be read by nobody else
	Backend   Snapshotter
	NoBrowser bool         // do not start the browser of the image before the desktop is saved
	Logger    *slog.Logger // nil discards
}

// loading is a template that is being read into memory, or is there.
type loading struct {
	done chan struct{} // closed when snap or err is there
	dir  fs.FileInfo   // of the directory that it is from; nil when that was not there
	snap *Snapshot
	err  error
}

// keepTemplates is how long a template is kept after its last use once others are
// made: those of other configs may be needed again.
const keepTemplates = 7 * 24 * time.Hour

// OpenTemplates opens the directory, and removes what processes that were killed
// left in it.
func OpenTemplates(cfg TemplatesConfig) (*Templates, error) {
	if cfg.Dir == "" || cfg.Backend == nil {
		return nil, fmt.Errorf("%w: templates need a directory and a backend", ErrInvalidConfig)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open templates: %w", err)
	}
	t := &Templates{cfg: cfg, log: cfg.Logger, loaded: make(map[string]*loading), hashes: make(map[string]hashed)}
	if err := t.sweep(); err != nil {
		return nil, fmt.Errorf("open templates: %w", err)
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t, nil
}

// Get returns the template of cfg, which is to be closed. It is read and verified on
// first use, and kept in memory from then on. The error matches
// [ErrNoTemplate] when there is none, and [ErrUnsupported] when there can be
// none. Any other one tells of a template that cannot be used: it has been removed
// if that matches [ErrUnusable], and may be of use later if not.
func (t *Templates) Get(ctx context.Context, cfg Config) (*Snapshot, error) {
	key, err := t.Key(ctx, cfg)
	if err != nil {
		return nil, err
	}
	for {
		l, err := t.loading(key)
		if err != nil {
			return nil, err
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if l.err != nil {
			return nil, l.err
		}
		if snap, err := l.snap.share(); err == nil {
			snap.common = true
			return snap, nil
		} // else it was forgotten in between, and another one may be there
	}
}

// loading returns the template of key that is in memory, or is on its way there.
func (t *Templates) loading(key string) (*loading, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, fmt.Errorf("%w: the server is closing", ErrStopped)
	}
	l := t.loaded[key]
	if l == nil {
		l = &loading{done: make(chan struct{})}
		t.loaded[key] = l
		// Whoever asks first may give up; others wait for it as well.
		go t.load(t.ctx, key, l)
	}
	return l, nil
}

// load reads the template of key from the disk.
func (t *Templates) load(ctx context.Context, key string, l *loading) {
	begun := time.Now()
	l.dir = t.stat(key)
	snap, err := t.read(ctx, key)
	if err != nil && !errors.Is(err, ErrNoTemplate) && ctx.Err() == nil {
		t.log.Warn("template cannot be used", "template", short(key), "err", err)
	}
	if errors.Is(err, ErrUnusable) {
		if err := t.remove(key, l.dir); err != nil && !errors.Is(err, ErrBusy) {
			t.log.Warn("remove template", "template", short(key), "err", err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		delete(t.loaded, key) // so that a later call looks again
	} else {
		t.log.Info("template loaded", "template", short(key), "took", time.Since(begun).Round(time.Millisecond))
	}
	l.snap, l.err = snap, err
	close(l.done)
}

// Forget removes the template of cfg that [Templates.Get] returned as snap: it has
// turned out to be of no use. One that has taken its place meanwhile stays.
func (t *Templates) Forget(ctx context.Context, cfg Config, snap *Snapshot) error {
	key, err := t.Key(ctx, cfg)
	if err != nil {
		return err
	}
	t.mu.Lock()
	l := t.loaded[key]
	if l == nil || !closed(l.done) || l.snap == nil || l.snap.state != snap.state {
		t.mu.Unlock()
		return nil
	}
	delete(t.loaded, key)
	t.mu.Unlock()
	err = errors.Join(l.snap.Close(), t.remove(key, l.dir))
	if errors.Is(err, ErrBusy) {
		return nil // who makes another one puts it in the place of this
	}
	return err
}

// Close frees the memory of the templates, but of those that somebody has got and
// not closed yet. Sandboxes that were started from them go on.
func (t *Templates) Close() error {
	t.mu.Lock()
	t.closed = true
	loaded := t.loaded
	t.loaded = make(map[string]*loading)
	t.mu.Unlock()
	t.cancel()
	var errs []error
	for _, l := range loaded {
		<-l.done
		if l.snap != nil {
			errs = append(errs, l.snap.Close())
		}
	}
	return errors.Join(errs...)
}

// sweep tidies up after those who made or removed templates and are gone.
func (t *Templates) sweep() error {
	entries, err := os.ReadDir(t.cfg.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		key, coming := strings.CutSuffix(e.Name(), newSuffix)
		if len(key) != 2*sha256.Size || !e.IsDir() || !coming && t.isWhole(key) {
			continue
		}
		lock, err := tryLock(t.lockPath(key))
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return err
		}
		err = t.tidy(key)
		lock.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// isWhole reports whether there is a template of key, whether or not it is of use.
func (t *Templates) isWhole(key string) bool {
	_, err := os.Lstat(filepath.Join(t.path(key), manifestFile))
	return err == nil
}

// tidy removes what is there of a template of key that is not whole. A new one that
// is, and was only to be put in its place, is: the one before may be gone already.
func (t *Templates) tidy(key string) error {
	if _, _, err := t.readManifest(t.newPath(key)); err == nil {
		return t.install(key)
	}
	if !t.isWhole(key) {
		if err := os.RemoveAll(t.path(key)); err != nil {
			return err
		}
	}
	return discard(t.newPath(key))
}

// prune removes templates that nobody has used for long.
func (t *Templates) prune() {
	list, err := t.List()
	if err != nil {
		t.log.Warn("list templates", "err", err)
	}
	for _, i := range list {
		if time.Since(i.Used) > keepTemplates {
			t.log.Info("removing a template that was not used for long", "template", short(i.Key), "image", i.Image)
			if err := t.remove(i.Key, nil); err != nil && !errors.Is(err, ErrBusy) {
				t.log.Warn("remove template", "template", short(i.Key), "err", err)
			}
		}
	}
}

// remove removes the template of key from the disk, if seen is nil or its directory
// still. The error matches ErrBusy while somebody makes another one.
func (t *Templates) remove(key string, seen fs.FileInfo) error {
	lock, err := tryLock(t.lockPath(key))
	if errors.Is(err, errLocked) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if seen != nil {
		if now := t.stat(key); now == nil || !os.SameFile(seen, now) {
			return nil
		}
	}
	return discard(t.path(key))
}

// stat describes the directory of a template: nil when there is none.
func (t *Templates) stat(key string) fs.FileInfo {
	info, err := os.Stat(t.path(key))
	if err != nil {
		return nil
	}
	return info
}

// discard removes a template, or what is there of one, from the disk. The caller
// holds the lock of its key.
func discard(dir string) error {
	if err := durable.Remove(filepath.Join(dir, manifestFile)); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

const (
	newSuffix  = ".new"
	lockSuffix = ".lock"
)

func (t *Templates) path(key string) string     { return filepath.Join(t.cfg.Dir, key) }
func (t *Templates) newPath(key string) string  { return t.path(key) + newSuffix }
func (t *Templates) lockPath(key string) string { return t.path(key) + lockSuffix }

// short is enough of a key to tell templates apart.
func short(key string) string { return key[:min(12, len(key))] }
