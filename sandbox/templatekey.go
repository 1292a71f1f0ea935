package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// templateVersion counts what is done to a desktop before it is saved, and how it
// is stored.
const templateVersion = 1

// Key returns the hash of everything that a template of cfg would be made of: the
// contents of the kernel and the initramfs, with the guest agent in it; the disk,
// by its path, size and time of change, since images are never written again; the
// processor, memory and screen; the authorities; the backend and what it runs on; and what is done
// before it is saved. The error matches [ErrUnsupported] when there can be no
// template.
func (t *Templates) Key(ctx context.Context, cfg Config) (string, error) {
	if err := cfg.Validate(); err != nil {
		return "", err
	}
	cfg = cfg.WithDefaults()
	if err := cfg.saveable(); err != nil {
		return "", err
	}
	print, err := t.cfg.Backend.Fingerprint(ctx, cfg)
	if err != nil {
		return "", err
	}
	root, err := os.Stat(cfg.Root.Path)
	if err != nil {
		return "", fmt.Errorf("make key of template: %w", err)
	}
	parts := []string{
		fmt.Sprintf("template %d", templateVersion),
		t.cfg.Backend.Name(), print,
		fmt.Sprint("root ", cfg.Root.Format, " ", cfg.Root.Path, " ", root.Size(), " ", root.ModTime().UnixNano()),
		fmt.Sprint("machine ", cfg.CPUs, " ", cfg.MemoryMiB, " ", cfg.Screen, " ", cfg.NoSudo),
		fmt.Sprintf("vsock %+v", cfg.VsockPort),
		fmt.Sprintf("cmdline %q", cfg.Cmdline),
		"authorities " + cfg.authoritiesKey(),
		fmt.Sprint("browser ", !t.cfg.NoBrowser),
	}
	for _, path := range []string{cfg.Kernel, cfg.Initramfs} {
		sum, err := t.hash(path)
		if err != nil {
			return "", fmt.Errorf("make key of template: %w", err)
		}
		parts = append(parts, sum)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:]), nil
}

// hashed is a file whose contents are known, as long as it is the same one, as large,
// and was not written to.
type hashed struct {
	info fs.FileInfo
	sum  string
}

// hash returns the SHA-256 of a file, which it remembers.
func (t *Templates) hash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	known, ok := t.hashes[path]
	t.mu.Unlock()
	if ok && os.SameFile(known.info, info) && known.info.Size() == info.Size() && known.info.ModTime().Equal(info.ModTime()) {
		return known.sum, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	t.mu.Lock()
	t.hashes[path] = hashed{info, sum}
	t.mu.Unlock()
	return sum, nil
}
