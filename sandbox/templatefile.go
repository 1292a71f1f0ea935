package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox/internal/durable"
)

// manifestFile says, in the directory of a template, of what it was made. It stands
// beside the files of the snapshot.
const manifestFile = "template.json"

// templateManifest is what manifestFile holds.
type templateManifest struct {
	Key     string    `json:"key"`
	Image   string    `json:"image"`
	Browser bool      `json:"browser"`
	Created time.Time `json:"created"`
	Config  Config    `json:"config"`
}

// TemplateInfo describes a template.
type TemplateInfo struct {
	Key       string       `json:"key"`
	Image     string       `json:"image"`
	CPUs      int          `json:"cpus"`
	MemoryMiB int          `json:"memory_mib"`
	Screen    desktop.Size `json:"screen"`
	Browser   bool         `json:"browser"` // whether it was saved with the one of the image started, if that has one
	Bytes     int64        `json:"bytes"`   // that it takes on the disk
	Created   time.Time    `json:"created"`
	Used      time.Time    `json:"used"`
}

// List describes the templates, those used last first.
func (t *Templates) List() ([]TemplateInfo, error) {
	entries, err := os.ReadDir(t.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	var list []TemplateInfo
	for _, e := range entries {
		if !e.IsDir() || strings.Contains(e.Name(), ".") {
			continue
		}
		m, used, err := t.readManifest(t.path(e.Name()))
		if err != nil {
			continue // no template, or none any more
		}
		list = append(list, TemplateInfo{
			Key:       m.Key,
			Image:     m.Image,
			CPUs:      m.Config.CPUs,
			MemoryMiB: m.Config.MemoryMiB,
			Screen:    m.Config.Screen,
			Browser:   m.Browser,
			Bytes:     diskUsage(t.path(m.Key)),
			Created:   m.Created,
			Used:      used,
		})
	}
	slices.SortFunc(list, func(a, b TemplateInfo) int { return b.Used.Compare(a.Used) })
	return list, nil
}

// Remove removes the templates that name means: an image, or the first eight or
// more digits of a key. Sandboxes that were started from them go on. The error
// matches [ErrNoTemplate] when there is none, and [ErrBusy] while another process
// makes one of them.
func (t *Templates) Remove(name string) error {
	list, err := t.List()
	if err != nil {
		return err
	}
	found := false
	for _, i := range list {
		if i.Image != name && (len(name) < 8 || !strings.HasPrefix(i.Key, name)) {
			continue
		}
		found = true
		if err := t.remove(i.Key, nil); err != nil {
			return fmt.Errorf("remove template %s: %w", short(i.Key), err)
		}
	}
	if !found {
		return fmt.Errorf("%w %s", ErrNoTemplate, name)
	}
	return nil
}

// read reads and verifies the template of key.
func (t *Templates) read(ctx context.Context, key string) (*Snapshot, error) {
	m, _, err := t.readManifest(t.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoTemplate
	}
	if err != nil {
		return nil, err
	}
	snap, err := LoadSnapshot(ctx, t.cfg.Backend, t.path(key))
	if err != nil {
		return nil, err
	}
	if !snap.cfg.Equal(m.Config) {
		snap.Close()
		return nil, fmt.Errorf("%w: %s and %s are not of the same desktop", ErrUnusable, manifestFile, snapshotFile)
	}
	now := time.Now()
	os.Chtimes(filepath.Join(t.path(key), manifestFile), now, now) // else it is pruned early
	return snap, nil
}

// readManifest returns the manifest of the template in dir, and when that was used
// last.
func (t *Templates) readManifest(dir string) (m templateManifest, used time.Time, err error) {
	name := filepath.Join(dir, manifestFile)
	info, err := os.Stat(name)
	if err != nil {
		return m, used, err
	}
	if err := ReadRecord(name, &m); err != nil {
		return m, used, err
	}
	if err := m.Config.Validate(); err != nil || m.Key != strings.TrimSuffix(filepath.Base(dir), newSuffix) {
		return m, used, errors.Join(fmt.Errorf("%w: %s is not that of this template", ErrUnusable, manifestFile), err)
	}
	return m, info.ModTime(), nil
}

// write stores a template so that it is there whole or not at all, whenever the
// process or the host may end. The caller holds the lock of key.
func (t *Templates) write(ctx context.Context, key string, snap *Snapshot, browser bool) (err error) {
	dir := t.newPath(key)
	if err := discard(dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, discard(dir))
		}
	}()
	if err := durable.Mkdir(dir); err != nil {
		return err
	}
	if err := snap.Store(ctx, dir); err != nil {
		return err
	}
	m := templateManifest{
		Key:     key,
		Image:   snap.cfg.Image,
		Browser: browser,
		Created: time.Now().Round(time.Second),
		Config:  snap.cfg,
	}
	if err := commitRecord(filepath.Join(dir, manifestFile), m); err != nil {
		return err
	}
	return t.install(key)
}

// install puts the new template of key, which is whole, in the place of the one
// before. Where that is broken off, the next one who opens the templates goes on.
func (t *Templates) install(key string) error {
	if err := discard(t.path(key)); err != nil {
		return err
	}
	return durable.Rename(t.newPath(key), t.path(key))
}
