package sandbox

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
)

func valid() Config {
	return Config{Kernel: "k", Initramfs: "i", Root: Disk{Path: "r", Format: "erofs"}}
}

func TestConfigDefaults(t *testing.T) {
	want := valid()
	want.CPUs, want.MemoryMiB, want.Screen, want.BootTimeout = 2, 2048, desktop.Size{Width: 1280, Height: 800}, DefaultBootTimeout
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
		{"too many CPUs", func(c *Config) { c.CPUs = 65 }, "65 CPUs is not between 1 and 64"},
		{"negative CPUs", func(c *Config) { c.CPUs = -1 }, "-1 CPUs"},
		{"too little memory", func(c *Config) { c.MemoryMiB = 255 }, "255 MiB of memory"},
		{"small screen", func(c *Config) { c.Screen = desktop.Size{Width: 100, Height: 100} }, "screen 100x100"},
		{"negative screen", func(c *Config) { c.Screen = desktop.Size{Width: -1, Height: 800} }, "screen -1x800"},
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
