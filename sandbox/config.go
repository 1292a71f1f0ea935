package sandbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Defaults of a [Config].
const (
	DefaultCPUs        = 2
	DefaultMemoryMiB   = 2048
	DefaultBootTimeout = 5 * time.Minute
)

// DefaultScreen is the size of a desktop whose [Config] names none.
var DefaultScreen = desktop.Size{Width: 1280, Height: 800}

// Config says what to boot, in plain data. Kernel, Initramfs and Root are
// needed; every other zero value means what its comment says.
type Config struct {
	Image       string        // name of the image, for people and for [Info]; it selects nothing
	Kernel      string        // path of the kernel
	Initramfs   string        // path of the initramfs that holds the modules and the guest agent
	Root        Disk          // read-only lower layer of the root file system
	CPUs        int           // virtual processors; 0 means DefaultCPUs
	MemoryMiB   int           // guest memory in MiB; 0 means DefaultMemoryMiB
	Screen      desktop.Size  // of the desktop in pixels; the zero value means DefaultScreen
	NoSudo      bool          // the desktop's user gets no password-less sudo
	BootTimeout time.Duration // until the guest agent has said hello; 0 means DefaultBootTimeout
	Background  bool          // gets the processors when nobody else wants them; nothing in the guest depends on it
}

// Disk is a block image on the host.
type Disk struct {
	Path   string
	Format string // of the file system in it: "squashfs" or "erofs"
}

// WithDefaults returns c with its zero values filled in.
func (c Config) WithDefaults() Config {
	if c.CPUs == 0 {
		c.CPUs = DefaultCPUs
	}
	if c.MemoryMiB == 0 {
		c.MemoryMiB = DefaultMemoryMiB
	}
	if c.Screen == (desktop.Size{}) {
		c.Screen = DefaultScreen
	}
	if c.BootTimeout == 0 {
		c.BootTimeout = DefaultBootTimeout
	}
	return c
}

// Validate reports, joined, everything that is wrong with c after
// [Config.WithDefaults]. Each error matches [ErrInvalidConfig].
func (c Config) Validate() error {
	c = c.WithDefaults()
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrInvalidConfig}, args...)...))
	}
	if c.Kernel == "" {
		bad("kernel is empty: name the path of a kernel")
	}
	if c.Initramfs == "" {
		bad("initramfs is empty: name the path of an initramfs")
	}
	if c.Root.Path == "" {
		bad("root is empty: name the path of a block image")
	}
	if f := c.Root.Format; f != "squashfs" && f != "erofs" {
		bad("root format %q is not squashfs or erofs", f)
	}
	if c.CPUs < 1 || c.CPUs > 64 {
		bad("%d CPUs is not between 1 and 64", c.CPUs)
	}
	if c.MemoryMiB < 256 || c.MemoryMiB > 1<<20 {
		bad("%d MiB of memory is not between 256 and %d", c.MemoryMiB, 1<<20)
	}
	if !c.Screen.Valid() || c.Screen.Width < 320 || c.Screen.Height < 200 {
		bad("screen %v is not between 320x200 and %dx%d", c.Screen, desktop.MaxScreen, desktop.MaxScreen)
	}
	if c.BootTimeout < 0 {
		bad("boot timeout %v is negative", c.BootTimeout)
	}
	return errors.Join(errs...)
}
