package rootfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// manifestVersion is raised when the meaning of the manifest changes; images
// with another version are not used.
const manifestVersion = 1

// maxManifest bounds what is read of a manifest, in bytes.
const maxManifest = 16 << 20

// Manifest says what an image is made of. It holds no time, path or address,
// so that equal builds have equal manifests.
type Manifest struct {
	Version       int       `json:"version"`
	Name          string    `json:"name"`           // canonical spec
	Architecture  string    `json:"architecture"`   // such as "amd64"
	Recipe        string    `json:"recipe"`         // SHA-256 of the build instructions
	KernelVersion string    `json:"kernel_version"` // as uname -r says it
	RootFormat    string    `json:"root_format"`    // "squashfs"
	RootOptions   []string  `json:"root_options"`   // of the program that packed it
	Modules       []string  `json:"modules"`        // loaded by the initramfs, in order
	Files         Files     `json:"files"`
	Packages      []Package `json:"packages"` // sorted by name; those of the kernel alone when the rest is not Debian's

	// Source is the SHA-256 in hex of what the image was made from: of an
	// archive, or of the manifest in an OCI registry. Empty when there is none.
	Source string `json:"source,omitempty"`
	// Process is nil when the image says nothing of the kind.
	Process *Process `json:"process,omitempty"`
}

// Process is how an image wants its programs started, as the OCI image
// specification defines it.
type Process struct {
	Env        []string `json:"env,omitempty"`         // NAME=VALUE
	User       string   `json:"user,omitempty"`        // name or id, with :GROUP or without; empty is root
	WorkingDir string   `json:"working_dir,omitempty"` // empty is /
	Entrypoint []string `json:"entrypoint,omitempty"`  // comes before Command or what is run instead
	Command    []string `json:"command,omitempty"`
}

// Args returns what an image runs: command, or its own when that is empty, behind
// its entry point. It is empty when the image names nothing.
func (p *Process) Args(command []string) []string {
	if len(command) == 0 {
		command = p.Command
	}
	return slices.Concat(p.Entrypoint, command)
}

// Files are the files of an image.
type Files struct {
	Kernel  File `json:"kernel"`
	Modules File `json:"modules"`
	Root    File `json:"root"`
}

// File is a file of an image, named relative to its directory.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Package is an installed package.
type Package struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	SHA256       string `json:"sha256"` // of the downloaded archive, as the signed index gives it
}

func (m *Manifest) encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// readManifest returns the manifest of the image in dir and its hash.
func readManifest(dir string) (*Manifest, string, error) {
	b, err := readLimited(filepath.Join(dir, manifestFile), maxManifest)
	if err != nil {
		return nil, "", err
	}
	m, err := decodeManifest(b)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(b)
	return m, hex.EncodeToString(sum[:]), nil
}

// readLimited reads a file of at most limit bytes.
func readLimited(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", filepath.Base(name), limit)
	}
	return b, err
}

func decodeManifest(b []byte) (*Manifest, error) {
	// The version first: another one may have other fields.
	var head struct{ Version int }
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	if head.Version != manifestVersion {
		return nil, fmt.Errorf("manifest has version %d, not %d", head.Version, manifestVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	m := new(Manifest)
	if err := dec.Decode(m); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	for _, f := range m.Files.list() {
		if f.Name == "." || f.Name == manifestFile || !filepath.IsLocal(f.Name) || filepath.Base(f.Name) != f.Name {
			return nil, fmt.Errorf("manifest names a file %q outside its directory", f.Name)
		}
	}
	return m, nil
}

func (f Files) list() []File { return []File{f.Kernel, f.Modules, f.Root} }

// check reports a file that is missing or has another size than the manifest
// says. It reads no contents, so that it costs nothing at each start.
func (m *Manifest) check(dir string) error {
	var errs []error
	for _, f := range m.Files.list() {
		fi, err := os.Stat(filepath.Join(dir, f.Name))
		switch {
		case err != nil:
			errs = append(errs, err)
		case fi.Size() != f.Size:
			errs = append(errs, fmt.Errorf("%s has %d bytes, not %d", f.Name, fi.Size(), f.Size))
		}
	}
	return errors.Join(errs...)
}

// hashFile describes the file dir/name and makes sure that it is on the disk.
func hashFile(dir, name string) (File, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return File{}, fmt.Errorf("hash %s: %w", name, err)
	}
	if err := f.Sync(); err != nil {
		return File{}, fmt.Errorf("sync %s: %w", name, err)
	}
	return File{Name: name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}
