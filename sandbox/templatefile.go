package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// What a template's directory holds.
const (
	manifestFile = "template.json"
	machineDir   = "machine"
)

// maxManifest bounds a manifest, of which about a kilobyte is used.
const maxManifest = 64 << 10

// templateManifest is what manifestFile holds.
type templateManifest struct {
	Key     string    `json:"key"`
	Image   string    `json:"image"`
	Browser bool      `json:"browser"`
	Created time.Time `json:"created"`
	Config  Config    `json:"config"`
	// Boot is what the saved guest takes itself for. Its token is of use to
	// nobody: every guest that is started from the template gets another one.
	Boot desktop.Boot `json:"boot"`
}

// TemplateInfo describes a template.
type TemplateInfo struct {
	Key       string       `json:"key"`
	Image     string       `json:"image"`
	CPUs      int          `json:"cpus"`
	MemoryMiB int          `json:"memory_mib"`
	Screen    desktop.Size `json:"screen"`
	Browser   bool         `json:"browser"` // whether one was to be started before it was saved
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
		m, used, err := t.readManifest(e.Name())
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
// matches [ErrNoTemplate] when there is none.
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
		if err := t.discard(i.Key); err != nil {
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
	m, _, err := t.readManifest(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoTemplate
	}
	if err != nil {
		return nil, err
	}
	state, err := t.cfg.Backend.Load(ctx, filepath.Join(t.path(key), machineDir))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	os.Chtimes(filepath.Join(t.path(key), manifestFile), now, now) // else it is pruned early
	return &Snapshot{cfg: m.Config, boot: m.Boot, state: state}, nil
}

// readManifest returns the manifest of key, and when the template was used last.
func (t *Templates) readManifest(key string) (m templateManifest, used time.Time, err error) {
	f, err := os.Open(filepath.Join(t.path(key), manifestFile))
	if err != nil {
		return m, used, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return m, used, err
	}
	if err := json.NewDecoder(io.LimitReader(f, maxManifest)).Decode(&m); err != nil {
		return m, used, fmt.Errorf("decode %s: %w", manifestFile, err)
	}
	if err := m.Config.Validate(); err != nil || m.Key != key || m.Boot.Token == "" {
		return m, used, errors.Join(fmt.Errorf("%s is not that of this template", manifestFile), err)
	}
	return m, info.ModTime(), nil
}

// write stores a template so that it is there whole or not at all, whenever the
// process or the host may end. The caller holds the lock of key.
func (t *Templates) write(ctx context.Context, key string, snap *Snapshot) (err error) {
	dir := t.newPath(key)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	machine := filepath.Join(dir, machineDir)
	if err := os.MkdirAll(machine, 0o700); err != nil {
		return err
	}
	if err := snap.state.Store(ctx, machine); err != nil {
		return err
	}
	m := templateManifest{
		Key:     key,
		Image:   snap.cfg.Image,
		Browser: !t.cfg.NoBrowser,
		Created: time.Now().Round(time.Second),
		Config:  snap.cfg,
		Boot:    snap.boot,
	}
	if err := writeManifest(filepath.Join(dir, manifestFile), m); err != nil {
		return err
	}
	if err := errors.Join(syncDir(machine), syncDir(dir)); err != nil {
		return err
	}
	if err := t.discard(key); err != nil {
		return err
	}
	if err := os.Rename(dir, t.path(key)); err != nil {
		return err
	}
	return syncDir(t.cfg.Dir)
}

func writeManifest(name string, m templateManifest) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(f).Encode(m), f.Sync(), f.Close())
}

// syncDir has the names in a directory written to the disk.
func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
