package vz

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/sandbox"
)

// TestShares starts a machine whose directories are reached through links.
func TestShares(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root, shared, link := filepath.Join(dir, "root"), filepath.Join(dir, "shared"), filepath.Join(dir, "link")
	for _, d := range []string{root, shared} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("shared", link); err != nil {
		t.Fatal(err)
	}
	hv := new(fakeHypervisor)
	cfg := imageConfig(t)
	cfg.Root, cfg.RootShare = sandbox.RootfsBlock{}, sandbox.RootfsShare{Path: root}
	cfg.Shares = []sandbox.ShareMount{{Tag: "tag", Path: link}}
	s := bootFake(t, hv, cfg)
	click(t, s)
	want := []share{{tag: ".root", path: root, readOnly: true}, {tag: "tag", path: shared}}
	if diff := cmp.Diff(want, hv.last().spec.shares, cmp.AllowUnexported(share{})); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
	if _, err := s.Snapshot(t.Context()); !errors.Is(err, sandbox.ErrSnapshotUnsupported) {
		t.Errorf("Snapshot: %v, want an unsupported", err)
	}
}

func TestNoShare(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	noMac := fmt.Errorf("%w: this is no Mac", sandbox.ErrUnsupported)
	tests := []struct {
		name     string
		unusable error
		path     string
		is       error
	}{
		{"a directory", nil, dir, nil},
		{"a file", nil, file, sandbox.ErrInvalidConfig},
		{"nothing", nil, filepath.Join(dir, "none"), os.ErrNotExist},
		{"nothing is an error of a file", nil, filepath.Join(dir, "none"), sandbox.ErrIO},
		{"no framework", noMac, dir, sandbox.ErrUnsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hv := &fakeHypervisor{unusable: tt.unusable}
			b := newBackend(hv, "arm64", Options{})
			if err := b.CanShare(t.Context(), tt.path); !errors.Is(err, tt.is) {
				t.Errorf("CanShare: %v, want %v", err, tt.is)
			}
			cfg := imageConfig(t)
			cfg.Shares = []sandbox.ShareMount{{Tag: "mine", Path: tt.path}}
			s, err := sandbox.Start(t.Context(), b, cfg, sandbox.StartOptions{Dir: t.TempDir()})
			if err == nil {
				s.Stop()
			}
			if !errors.Is(err, tt.is) {
				t.Errorf("Start: %v, want %v", err, tt.is)
			}
			if err != nil && tt.unusable == nil && !strings.Contains(err.Error(), "share mine") {
				t.Errorf("Start: %v, want one that names the share", err)
			}
		})
	}
}
