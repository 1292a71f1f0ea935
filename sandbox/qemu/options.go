package qemu

import (
	"fmt"
	"log/slog"

	"github.com/vmette/vmette-mcp/sandbox"
)

// Options says how a [Backend] works. The zero value is what most want.
type Options struct {
	Binary   string       // name or path of QEMU; "" means qemu-system-x86_64 in PATH
	Accel    Accel        // "" means AccelAuto
	Vsock    Door         // "" means DoorAuto
	Afresh   bool         // find out anew what CacheDir remembers
	CacheDir string       // remembers whether KVM runs guests; "" means vmette in the user's cache directory
	Logger   *slog.Logger // nil discards
}

// Accel is how the guest's instructions are executed.
type Accel string

// The accelerators.
const (
	AccelAuto Accel = "auto" // KVM if it really runs guests, else TCG, with a warning
	AccelKVM  Accel = "kvm"  // KVM or nothing
	AccelTCG  Accel = "tcg"  // every instruction is translated
)

// Door is what carries the guest's connections to the host.
type Door string

// The doors.
const (
	DoorAuto      Door = "auto"       // DoorVhostUser where this process may access its children's memory, else DoorVhost
	DoorVhostUser Door = "vhost-user" // a virtio-vsock device in this process
	DoorVhost     Door = "vhost"      // the kernel's, /dev/vhost-vsock
)

func (o Options) withDefaults() Options {
	if o.Binary == "" {
		o.Binary = "qemu-system-x86_64"
	}
	if o.Accel == "" {
		o.Accel = AccelAuto
	}
	if o.Vsock == "" {
		o.Vsock = DoorAuto
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	switch o.Accel {
	case AccelAuto, AccelKVM, AccelTCG:
	default:
		return fmt.Errorf("%w: accelerator %q is not %s, %s or %s", sandbox.ErrInvalidConfig, o.Accel, AccelAuto, AccelKVM, AccelTCG)
	}
	switch o.Vsock {
	case DoorAuto, DoorVhostUser, DoorVhost:
	default:
		return fmt.Errorf("%w: vsock door %q is not %s, %s or %s", sandbox.ErrInvalidConfig, o.Vsock, DoorAuto, DoorVhostUser, DoorVhost)
	}
	return nil
}
