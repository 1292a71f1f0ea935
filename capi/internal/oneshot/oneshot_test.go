package oneshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/sandbox"
)

func TestSandbox(t *testing.T) {
	c := New("k", "i")
	c.Change(func() {
		c.Cmdline, c.Root, c.Command, c.Net = " a  b=c ", "/root", "exit 42", "allow example.org  *.example.com"
		c.CPUs, c.MemoryMiB, c.ScratchMiB, c.TimeoutMS, c.VsockPort = 3, 512, 64, 1500, 5000
		c.AddEnv("K", "v=w")
		c.AddShare("src", "/src")
		c.AddDisk("/d", true)
	})
	got, err := c.sandbox()
	if err != nil {
		t.Fatal(err)
	}
	want := sandbox.Config{
		Kernel: "k", Initramfs: "i", Cmdline: []string{"a", "b=c"},
		RootShare: sandbox.RootfsShare{Path: "/root"},
		Shares:    []sandbox.ShareMount{{Tag: "src", Path: "/src"}},
		Disks:     []sandbox.BlockDisk{{Path: "/d", ReadOnly: true}},
		CPUs:      3,
		MemoryMiB: 512, ScratchMiB: 64, Timeout: 1500 * time.Millisecond,
		Network:   sandbox.Network{Mode: "allow", Allow: "example.org *.example.com"},
		VsockPort: sandbox.VsockPort{Policy: sandbox.VsockFixed, Port: 5000},
		Workload:  sandbox.WorkloadOneShot,
		Exec:      sandbox.Exec{Args: []string{"/bin/sh", "-c", "exit 42"}, Env: []string{"K=v=w"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOpenRoot(t *testing.T) {
	dir := t.TempDir()
	file := func(name, contents string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(contents), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	squashfs := file("squashfs", "hsqs and more")
	erofs := file("erofs", strings.Repeat("\x00", 1024)+"\xe2\xe1\xf5\xe0 and more")
	tests := []struct {
		name     string
		path     string
		writable bool
		want     sandbox.Config
		err      error
	}{
		{"none", "", false, sandbox.Config{}, nil},
		{"directory", dir, false, sandbox.Config{RootShare: sandbox.RootfsShare{Path: dir}}, nil},
		{"directory to write to", dir, true, sandbox.Config{RootShare: sandbox.RootfsShare{Path: dir, Writable: true}}, nil},
		{"squashfs", squashfs, false, sandbox.Config{Root: sandbox.RootfsBlock{Path: squashfs, Format: "squashfs"}}, nil},
		{"erofs", erofs, false, sandbox.Config{Root: sandbox.RootfsBlock{Path: erofs, Format: "erofs"}}, nil},
		{"image to write to", erofs, true, sandbox.Config{}, sandbox.ErrInvalidConfig},
		{"neither", file("text", "hello"), false, sandbox.Config{}, sandbox.ErrInvalidConfig},
		{"nothing", filepath.Join(dir, "nowhere"), false, sandbox.Config{}, sandbox.ErrIO},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := sandbox.Config{RootShare: sandbox.RootfsShare{Path: tt.path, Writable: tt.writable}}
			err := openRoot(&got)
			if tt.err != nil {
				if !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestStatusOf(t *testing.T) {
	tests := []struct {
		err  error
		want Status
	}{
		{nil, OK},
		{sandbox.ErrInvalidConfig, InvalidConfig},
		{sandbox.ErrStartFailed, StartFailed},
		{sandbox.ErrUnsupported, StartFailed},
		{errors.New("whatever"), StartFailed},
		{fmt.Errorf("%w: %w", sandbox.ErrStartFailed, sandbox.ErrTimeout), Timeout},
		{fmt.Errorf("%w: %w", sandbox.ErrStartFailed, sandbox.ErrIO), IO},
		{fmt.Errorf("%w: %w", sandbox.ErrRestoreFailed, sandbox.ErrStartFailed), RestoreFailed},
		{sandbox.ErrSaveFailed, SaveFailed},
		{sandbox.ErrSnapshotUnsupported, SnapshotUnsupported},
		{sandbox.ErrVsock, Vsock},
	}
	for _, tt := range tests {
		if got := StatusOf(tt.err); got != tt.want {
			t.Errorf("StatusOf(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
	// The numbers are those of vmette.h.
	if NullArg != 9 || InvalidUTF8 != 10 {
		t.Errorf("the last statuses are %d and %d", NullArg, InvalidUTF8)
	}
}
