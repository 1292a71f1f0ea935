package sandbox

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// Defaults of a [Config].
const (
	DefaultCPUs        = 2
	DefaultMemoryMiB   = 2048
	DefaultBootTimeout = 5 * time.Minute
	DefaultCapture     = 1 << 20 // bytes
)

// DefaultScreen is the size of a desktop whose [Config] names none.
var DefaultScreen = desktop.Size{Width: 1280, Height: 800}

// Config says what to boot, in plain data. Kernel, Initramfs and a root, which is
// Root or RootShare, are needed, and for [WorkloadOneShot] Exec as well; every
// other zero value means what its comment says.
type Config struct {
	Image       string        // name of the image, for people and for [Info]; it selects nothing
	Kernel      string        // path of the kernel
	Initramfs   string        // path of the initramfs that holds the modules and the guest agent
	Cmdline     []string      // words for the kernel's command line, after those that the backend needs; not secret
	Root        RootfsBlock   // read-only lower layer of the root file system
	RootShare   RootfsShare   // the root file system, in the place of Root
	ScratchMiB  int           // size of a scratch disk that takes the root's writes; 0 leaves them in the guest's memory
	Disks       []BlockDisk   // of the guest beside its root
	Shares      []ShareMount  // directories of the host
	CPUs        int           // virtual processors; 0 means DefaultCPUs
	MemoryMiB   int           // guest memory in MiB; 0 means DefaultMemoryMiB
	Screen      desktop.Size  // of the desktop in pixels; the zero value means DefaultScreen
	NoSudo      bool          // the desktop's user gets no password-less sudo
	BootTimeout time.Duration // until the guest agent has said hello; 0 means DefaultBootTimeout
	Network     Network       // where the sandbox may reach; the zero value is nowhere, without a network card
	Background  bool          // gets the processors when nobody else wants them; nothing in the guest depends on it
	GuestPort   uint32        // vsock port of the guest on which [Session.Dial] finds a program; 0 is none
	VsockPort   VsockPort     // on which the guest reaches the host; the zero value is any

	// Authorities are certificate authorities that programs of the guest trust
	// beside those of its image, in DER: see [ReadAuthorities].
	Authorities [][]byte

	// Workload says what the sandbox is for; the zero value is [WorkloadAgent].
	Workload WorkloadStrategy
	Exec     Exec          // the command of WorkloadOneShot
	Timeout  time.Duration // how long the session may last once it is up; 0 means no limit
	Capture  int           // bytes of each stream of output that [Run] keeps; 0 means DefaultCapture

	// NoSwitchRoot leaves the command of WorkloadOneShot in the initramfs, which
	// then must hold what it needs; there must be no Root.
	NoSwitchRoot bool
}

// RootfsBlock is a block image on the host, the read-only lower layer of a
// guest's root file system.
type RootfsBlock struct {
	Path   string
	Format string // of the file system in it: "squashfs" or "erofs"
}

// RootfsShare is a directory of the host that a guest has as its root file system,
// as it has a [ShareMount]. What others change in it while the guest runs, the guest
// may see or not.
//
// A sandbox with one cannot be saved, and starts from no saved one.
type RootfsShare struct {
	Path string

	// Writable has what the guest writes reach the directory. Otherwise the host
	// refuses that, and the directory is the lower layer of an overlay, as a
	// RootfsBlock is.
	Writable bool
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
	if c.Workload == "" {
		c.Workload = WorkloadAgent
	}
	if c.Capture == 0 {
		c.Capture = DefaultCapture
	}
	return c
}

// Equal reports whether c and o say the same.
func (c Config) Equal(o Config) bool { return reflect.DeepEqual(c, o) }

// Validate reports, joined, everything that is wrong with c after
// [Config.WithDefaults]. Each error matches [ErrInvalidConfig].
func (c Config) Validate() error {
	c = c.WithDefaults()
	var errs problems
	if c.Kernel == "" {
		errs.add("kernel is empty: name the path of a kernel")
	}
	if c.Initramfs == "" {
		errs.add("initramfs is empty: name the path of an initramfs")
	}
	for _, w := range c.Cmdline {
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return r <= ' ' || r > '~' }) {
			errs.add("word %q of the kernel's command line is not printable ASCII without spaces", w)
		}
	}
	c.validateRoot(&errs)
	if c.CPUs < 1 || c.CPUs > 64 {
		errs.add("%d CPUs is not between 1 and 64", c.CPUs)
	}
	if c.MemoryMiB < 256 || c.MemoryMiB > 1<<20 {
		errs.add("%d MiB of memory is not between 256 and %d", c.MemoryMiB, 1<<20)
	}
	if !c.Screen.Valid() || c.Screen.Width < 320 || c.Screen.Height < 200 {
		errs.add("screen %v is not between 320x200 and %dx%d", c.Screen, desktop.MaxScreen, desktop.MaxScreen)
	}
	if _, err := policy.Parse(c.Network.Policy()); err != nil {
		errs = append(errs, fmt.Errorf("%w: %w", ErrInvalidConfig, err))
	}
	if c.BootTimeout < 0 {
		errs.add("boot timeout %v is negative", c.BootTimeout)
	}
	if c.Timeout < 0 {
		errs.add("timeout %v is negative", c.Timeout)
	}
	if c.Capture < 0 {
		errs.add("capture of %d bytes is negative", c.Capture)
	}
	c.validateVsock(&errs)
	c.validateDisks(&errs)
	c.validateShares(&errs)
	c.validateAuthorities(&errs)
	c.validateWorkload(&errs)
	return errors.Join(errs...)
}

func (c Config) validateRoot(errs *problems) {
	if c.NoSwitchRoot {
		if c.Root != (RootfsBlock{}) || c.RootShare != (RootfsShare{}) {
			errs.add("there is a root, and no switch to it: leave out one of them")
		}
		if c.Workload != WorkloadOneShot {
			errs.add("a desktop needs a root to switch to: only %s goes without", WorkloadOneShot)
		}
		return
	}
	if c.RootShare != (RootfsShare{}) {
		c.validateRootShare(errs)
		return
	}
	if c.Root.Path == "" {
		errs.add("root is empty: name the path of a block image, or share a directory")
	}
	if f := c.Root.Format; f != "squashfs" && f != "erofs" {
		errs.add("root format %q is not squashfs or erofs", f)
	}
}

// problems are what is wrong with a config.
type problems []error

func (p *problems) add(format string, args ...any) {
	*p = append(*p, fmt.Errorf("%w: "+format, append([]any{ErrInvalidConfig}, args...)...))
}
