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
		{"defaults", sandbox.Config{Root: sandbox.RootfsBlock{Path: "/img/root", Format: "squashfs"}}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline, cpus: 2, memory: 2 << 30,
			disks: []disk{{path: "/img/root", readOnly: true}},
		}},
		{"chosen", sandbox.Config{CPUs: 6, MemoryMiB: 768, NoSudo: true, Background: true, Root: sandbox.RootfsBlock{Path: "/root.erofs", Format: "erofs"}}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline, cpus: 6, memory: 768 << 20,
			disks: []disk{{path: "/root.erofs", readOnly: true}},
		}},
		{"the most memory that a config may ask for", sandbox.Config{MemoryMiB: 1 << 20, NoSwitchRoot: true}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline, cpus: 2, memory: 1 << 40,
		}},
		{"words of the command line", sandbox.Config{Cmdline: []string{"quiet", "mem=1G"}, NoSwitchRoot: true}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline + " quiet mem=1G", cpus: 2, memory: 2 << 30,
		}},
		{"disks behind the root", sandbox.Config{
			Root:  sandbox.RootfsBlock{Path: "/root.squashfs", Format: "squashfs"},
			Disks: []sandbox.BlockDisk{{Path: "/b"}, {Path: "/c", ReadOnly: true}},
		}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline, cpus: 2, memory: 2 << 30,
			disks: []disk{{path: "/root.squashfs", readOnly: true}, {path: "/b"}, {path: "/c", readOnly: true}},
		}},
		{"shares", sandbox.Config{
			Root:   sandbox.RootfsBlock{Path: "/root.squashfs", Format: "squashfs"},
			Shares: []sandbox.ShareMount{{Tag: "rw", Path: "/written"}, {Tag: "ro", Path: "/read", ReadOnly: true}},
		}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline, cpus: 2, memory: 2 << 30,
			disks:  []disk{{path: "/root.squashfs", readOnly: true}},
			shares: []share{{tag: "rw", path: "/written"}, {tag: "ro", path: "/read", readOnly: true}},
		}},
		{"a directory as root", sandbox.Config{
			RootShare: sandbox.RootfsShare{Path: "/root"},
			Shares:    []sandbox.ShareMount{{Tag: "rw", Path: "/written"}},
			Disks:     []sandbox.BlockDisk{{Path: "/a"}},
		}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline, cpus: 2, memory: 2 << 30,
			disks:  []disk{{path: "/a"}},
			shares: []share{{tag: ".root", path: "/root", readOnly: true}, {tag: "rw", path: "/written"}},
		}},
		{"a directory as root that is written to", sandbox.Config{RootShare: sandbox.RootfsShare{Path: "/root", Writable: true}}, spec{
			kernel: "/k", initramfs: "/i", cmdline: cmdline, cpus: 2, memory: 2 << 30,
			shares: []share{{tag: ".root", path: "/root"}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := newSpec(tt.cfg.WithDefaults(), "/k", "/i")
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(spec{}, disk{}, share{}, card{})); diff != "" {
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
		tags   []string // of shares
		want   string   // "" means that it is fine
	}{
		{"least", 1, 128 << 20, nil, ""},
		{"most", 8, 16 << 30, nil, ""},
		{"no CPU", 0, 1 << 30, nil, "0 CPUs is not between 1 and 8, which this Mac gives a machine"},
		{"too many CPUs", 9, 1 << 30, nil, "9 CPUs is not between 1 and 8, which this Mac gives a machine"},
		{"too little memory", 1, 127 << 20, nil, "127 MiB of memory is not between 128 and 16384, which this Mac gives a machine"},
		{"the longest tag", 1, 1 << 30, []string{"a", strings.Repeat("b", 35)}, ""},
		{"a tag that is too long", 1, 1 << 30, []string{"a", strings.Repeat("b", 36)}, "has more than the 35 bytes that macOS allows"},
		{"too much memory", 1, math.MaxUint64, nil, "is not between 128 and 16384"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec{cpus: tt.cpus, memory: tt.memory}
			for _, tag := range tt.tags {
				s.shares = append(s.shares, share{tag: tag})
			}
			err := s.check(l)
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
