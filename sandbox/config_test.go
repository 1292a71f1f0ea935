package sandbox

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

func valid() Config {
	return Config{Kernel: "k", Initramfs: "i", Root: RootfsBlock{Path: "r", Format: "erofs"}}
}

func TestConfigDefaults(t *testing.T) {
	want := valid()
	want.CPUs, want.MemoryMiB, want.Screen, want.BootTimeout = 2, 2048, desktop.Size{Width: 1280, Height: 800}, DefaultBootTimeout
	want.Workload, want.Capture = WorkloadAgent, DefaultCapture
	if diff := cmp.Diff(want, valid().WithDefaults()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := valid().Validate(); err != nil {
		t.Errorf("a config of zero values and what is needed: %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"kernel", func(c *Config) { c.Kernel = "" }, "kernel is empty"},
		{"initramfs", func(c *Config) { c.Initramfs = "" }, "initramfs is empty"},
		{"root", func(c *Config) { c.Root.Path = "" }, "root is empty"},
		{"root format", func(c *Config) { c.Root.Format = "qcow2" }, `root format "qcow2"`},
		{"two roots", func(c *Config) { c.RootShare.Path = "/srv" }, "two roots"},
		{"relative shared root", func(c *Config) { c.Root, c.RootShare = RootfsBlock{}, RootfsShare{Path: "srv"} }, `path "srv"`},
		{"authorities in a shared root that is written to", func(c *Config) {
			c.Root, c.RootShare = RootfsBlock{}, RootfsShare{Path: "/srv", Writable: true}
			c.Authorities = [][]byte{{1}}
		}, "share it read-only"},
		{"shared root without a path", func(c *Config) { c.Root, c.RootShare = RootfsBlock{}, RootfsShare{Writable: true} }, `path ""`},
		{"scratch disk for what reaches the host", func(c *Config) {
			c.Root, c.RootShare, c.ScratchMiB = RootfsBlock{}, RootfsShare{Path: "/srv", Writable: true}, 64
		}, "leave out one of them"},
		{"too many CPUs", func(c *Config) { c.CPUs = 65 }, "65 CPUs is not between 1 and 64"},
		{"negative CPUs", func(c *Config) { c.CPUs = -1 }, "-1 CPUs"},
		{"too little memory", func(c *Config) { c.MemoryMiB = 255 }, "255 MiB of memory"},
		{"small screen", func(c *Config) { c.Screen = desktop.Size{Width: 100, Height: 100} }, "screen 100x100"},
		{"negative screen", func(c *Config) { c.Screen = desktop.Size{Width: -1, Height: 800} }, "screen -1x800"},
		{"word of the command line", func(c *Config) { c.Cmdline = []string{"a b"} }, `word "a b"`},
		{"vsock port that is not fixed", func(c *Config) { c.VsockPort.Port = 5000 }, "named and not fixed"},
		{"privileged vsock port", func(c *Config) { c.VsockPort = VsockPort{VsockFixed, 80} }, "vsock port 80"},
		{"vsock port of a guest without vsock", func(c *Config) { c.VsockPort.Policy, c.GuestPort = VsockDisabled, 7000 }, "vsock is disabled, and port 7000"},
		{"disabled vsock port", func(c *Config) { c.VsockPort = VsockPort{VsockDisabled, 5000} }, "named and not fixed"},
		{"vsock policy", func(c *Config) { c.VsockPort.Policy = "any" }, `policy "any"`},
		{"workload", func(c *Config) { c.Workload = "batch" }, `workload "batch"`},
		{"command for a desktop", func(c *Config) { c.Exec.Args = []string{"ls"} }, "command for a sandbox with a desktop"},
		{"no command", func(c *Config) { c.Workload = WorkloadOneShot }, "no command"},
		{"relative directory", func(c *Config) {
			c.Workload, c.Exec = WorkloadOneShot, Exec{Args: []string{"ls"}, Dir: "tmp"}
		}, `"tmp" is not absolute`},
		{"root and no switch to it", func(c *Config) {
			c.Workload, c.Exec, c.NoSwitchRoot = WorkloadOneShot, Exec{Args: []string{"ls"}}, true
		}, "no switch to it"},
		{"desktop without a root", func(c *Config) { c.Root, c.NoSwitchRoot = RootfsBlock{}, true }, "needs a root"},
		{"share without a tag", func(c *Config) { c.Shares = []ShareMount{{Path: "/srv"}} }, `tag ""`},
		{"tag that leaves /mnt", func(c *Config) { c.Shares = []ShareMount{{Tag: "..", Path: "/srv"}} }, `tag ".."`},
		{"tag that is an option", func(c *Config) { c.Shares = []ShareMount{{Tag: "a,b=c", Path: "/srv"}} }, `tag "a,b=c"`},
		{"two shares of a tag", func(c *Config) { c.Shares = []ShareMount{{Tag: "a", Path: "/srv"}, {Tag: "a", Path: "/opt"}} }, `two shares have the tag "a"`},
		{"relative path of a share", func(c *Config) { c.Shares = []ShareMount{{Tag: "a", Path: "srv"}} }, `path "srv"`},
		{"disk without a path", func(c *Config) { c.Disks = []BlockDisk{{}} }, "disk 1 has no path"},
		{"too many disks", func(c *Config) { c.Disks = make([]BlockDisk, 9) }, "9 disks"},
		{"tiny scratch disk", func(c *Config) { c.ScratchMiB = 1 }, "scratch disk of 1 MiB"},
		{"scratch disk without a root", func(c *Config) { c.Root, c.NoSwitchRoot, c.ScratchMiB = RootfsBlock{}, true, 64 }, "there is no root"},
		{"negative timeout", func(c *Config) { c.Timeout = -1 }, "timeout -1ns"},
		{"negative capture", func(c *Config) { c.Capture = -1 }, "capture of -1"},
		{"negative boot timeout", func(c *Config) { c.BootTimeout = -1 }, "boot timeout -1ns is negative"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := valid()
			tt.change(&c)
			if err := c.Validate(); !errors.Is(err, ErrInvalidConfig) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ErrInvalidConfig that says %q", err, tt.want)
			}
		})
	}
}

func TestConfigReportsAllAtOnce(t *testing.T) {
	err := Config{}.Validate()
	for _, want := range []string{"kernel", "initramfs", "root is empty", "root format"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not speak of %s: %v", want, err)
		}
	}
}

// TestBootRoot has what a guest is told of its root be what backends attach.
func TestBootRoot(t *testing.T) {
	block := Config{Root: RootfsBlock{Path: "/r", Format: "erofs"}}
	share := Config{RootShare: RootfsShare{Path: "/r"}}
	writable := Config{RootShare: RootfsShare{Path: "/r", Writable: true}}
	scratch := func(c Config) Config {
		c.ScratchMiB, c.Disks = 64, make([]BlockDisk, 1)
		return c
	}
	tests := []struct {
		name   string
		cfg    Config
		want   desktop.Root
		shares []ShareMount
	}{
		{"block", block, desktop.Root{Device: "/dev/vda", Type: "erofs"}, nil},
		{"block and scratch disk", scratch(block), desktop.Root{Device: "/dev/vda", Type: "erofs", Scratch: "/dev/vdc"}, nil},
		{"share", share, desktop.Root{Device: ".root", Type: "virtiofs"}, []ShareMount{{".root", "/r", true}}},
		{"share and scratch disk", scratch(share), desktop.Root{Device: ".root", Type: "virtiofs", Scratch: "/dev/vdb"}, []ShareMount{{".root", "/r", true}}},
		{"writable share", writable, desktop.Root{Device: ".root", Type: "virtiofs", Writable: true}, []ShareMount{{".root", "/r", false}}},
		{"none", Config{NoSwitchRoot: true}, desktop.Root{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.cfg.bootRoot()); diff != "" {
				t.Errorf("root (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.shares, tt.cfg.SharedDirectories()); diff != "" {
				t.Errorf("directories (-want +got):\n%s", diff)
			}
			if err := tt.cfg.saveable(); (err != nil) != (len(tt.shares) > 0 || tt.cfg.ScratchMiB > 0) {
				t.Errorf("to save it: %v", err)
			}
		})
	}
}
