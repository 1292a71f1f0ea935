package qemu

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/sandbox"
)

func TestSameIDs(t *testing.T) {
	tests := []struct {
		name, file string
		want       []syscall.SysProcIDMap
	}{
		{"first namespace", "         0          0 4294967295\n", []syscall.SysProcIDMap{{Size: 4294967295}}},
		{"container", "0 1000 1\n1 100000 65536\n", []syscall.SysProcIDMap{{Size: 1}, {ContainerID: 1, HostID: 1, Size: 65536}}},
		{"no namespace", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "uid_map")
			if err := os.WriteFile(file, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := sameIDs(file)
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestCanShare(t *testing.T) {
	if err := new(Backend).CanShare(t.Context(), t.TempDir()); err != nil {
		t.Error(err)
	}
}

// TestOpenShares checks that what cannot be shared says so, and leaves nothing.
func TestOpenShares(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	comma := filepath.Join(dir, "a,nosandbox")
	if err := os.Mkdir(comma, 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		path   string
		server bool // whether there is a program that serves shares
		is     error
		want   string
	}{
		{"no such directory", filepath.Join(dir, "nowhere"), true, sandbox.ErrIO, "nowhere"},
		{"a file", file, true, sandbox.ErrInvalidConfig, "is not a directory"},
		{"a path that is options", comma, true, sandbox.ErrInvalidConfig, "comma"},
		{"no server", dir, false, sandbox.ErrUnsupported, "apt-get install virtiofsd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.server {
				t.Setenv("PATH", dir)
				were := shareServers
				t.Cleanup(func() { shareServers = were })
				shareServers = nil
			}
			m := &machine{dir: t.TempDir(), cfg: sandbox.Config{Shares: []sandbox.ShareMount{{Tag: "tag", Path: tt.path}}}}
			err := m.openShares(t.Context())
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %v with %q", err, tt.is, tt.want)
			}
			if can := new(Backend).CanShare(t.Context(), tt.path); !errors.Is(can, tt.is) || !strings.Contains(can.Error(), tt.want) {
				t.Errorf("whether it can be shared: %v, want %v with %q", can, tt.is, tt.want)
			}
			if len(m.shares) != 0 || len(m.files.files) != 0 {
				t.Errorf("%d servers and %d files are left", len(m.shares), len(m.files.files))
			}
		})
	}
}
