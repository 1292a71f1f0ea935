package vz

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/sandbox"
)

func TestNewSpec(t *testing.T) {
	const cmdline = "console=tty0 console=hvc0 quiet panic=-1 random.trust_cpu=on"
	tests := []struct {
		name string
		cfg  sandbox.Config
		want spec
	}{
		{"defaults", sandbox.Config{Root: sandbox.Disk{Path: "/img/root", Format: "squashfs"}}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline, cpus: 2, memory: 2 << 30,
			disks: []disk{{path: "/img/root", readOnly: true}},
		}},
		{"chosen", sandbox.Config{CPUs: 6, MemoryMiB: 768, NoSudo: true, Background: true, Root: sandbox.Disk{Path: "/root.erofs", Format: "erofs"}}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline, cpus: 6, memory: 768 << 20,
			disks: []disk{{path: "/root.erofs", readOnly: true}},
		}},
		{"the most memory that a config may ask for", sandbox.Config{MemoryMiB: 1 << 20}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline, cpus: 2, memory: 1 << 40,
			disks: []disk{{readOnly: true}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := newSpec(tt.cfg.WithDefaults(), "/k", "/i")
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(spec{}, disk{})); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSpecCheck(t *testing.T) {
	l := limits{minCPUs: 1, maxCPUs: 8, minMemory: 128 << 20, maxMemory: 16 << 30}
	tests := []struct {
		name   string
		cpus   uint
		memory uint64
		want   string // "" means that it is fine
	}{
		{"least", 1, 128 << 20, ""},
		{"most", 8, 16 << 30, ""},
		{"no CPU", 0, 1 << 30, "0 CPUs is not between 1 and 8, which this Mac gives a machine"},
		{"too many CPUs", 9, 1 << 30, "9 CPUs is not between 1 and 8, which this Mac gives a machine"},
		{"too little memory", 1, 127 << 20, "127 MiB of memory is not between 128 and 16384, which this Mac gives a machine"},
		{"too much memory", 1, math.MaxUint64, "is not between 128 and 16384"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := spec{cpus: tt.cpus, memory: tt.memory}.check(l)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, sandbox.ErrInvalidConfig) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want an invalid config and %q", err, tt.want)
			}
		})
	}
}
