package initrd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModuleNamesKeepTheirOrder(t *testing.T) {
	got := moduleNames("lib/modules/virtio_ring.ko\nlib/modules/virtio.ko\n\n  lib/modules/virtio_pci.ko")
	want := []string{"lib/modules/virtio_ring.ko", "lib/modules/virtio.ko", "lib/modules/virtio_pci.ko"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadModulesNamesTheOneThatFails(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "list"), []byte("absent.ko\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := loadModules(root, "list")
	if err == nil || !strings.Contains(err.Error(), "absent.ko") {
		t.Errorf("loadModules: %v, want an error that names absent.ko", err)
	}
}

func TestConsoleDrivers(t *testing.T) {
	tests := []struct {
		cmdline string
		want    []string
	}{
		{"console=ttyS0 quiet panic=-1\n", nil},
		{"console=tty0 console=hvc0 quiet\n", []string{"virtio_console"}},
		{"netconsole=hvc0 quiet", nil},
		{"", nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, consoleDrivers(tt.cmdline)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.cmdline, diff)
		}
	}
}
