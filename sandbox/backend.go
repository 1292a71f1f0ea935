package sandbox

import (
	"context"
	"net"

	"github.com/vmette/vmette-mcp/desktop"
)

// Isolation is the tier of isolation that a sandbox really has.
type Isolation string

// The tiers.
const (
	IsolationVZ       Isolation = "vz"       // Virtualization.framework
	IsolationKVM      Isolation = "kvm"      // QEMU with KVM
	IsolationEmulated Isolation = "emulated" // QEMU with TCG: every instruction is translated
)

// Backend runs sandboxes of one kind. It is safe for concurrent use.
//
// Powers that not every backend has are interfaces of their own, found by type
// assertion.
type Backend interface {
	// Name returns "qemu", "vz" or "kubernetes".
	Name() string

	// Start boots a machine that runs cfg with boot as what its guest agent is
	// told. It returns once the machine runs, which is before its guest is
	// ready. When it fails, nothing of the machine is left. Its error matches
	// ErrStartFailed, ErrInvalidConfig or ErrUnsupported.
	//
	// dir is a directory of the machine's own (mode 0700) for whatever it must
	// keep in files; the caller removes it once the machine is done.
	//
	// onStep, when not nil, is called as each named step of the start begins.
	Start(ctx context.Context, cfg Config, boot desktop.Boot, dir string, onStep func(step string)) (Machine, error)
}

// Machine is one running microVM. It is safe for concurrent use.
type Machine interface {
	// Isolation returns the tier that this machine really has.
	Isolation() Isolation

	// Accept returns the next byte stream that the guest opened to the host,
	// or an error once the machine has ended or ctx is done. The guest is not
	// to be trusted: that the stream comes from this machine is all that is
	// known of it.
	Accept(ctx context.Context) (net.Conn, error)

	// Stop ends the machine at once. It may be called any number of times and
	// returns when everything of the machine is gone.
	Stop() error

	// Done is closed when the machine has ended, for whatever reason, and
	// everything of it is gone.
	Done() <-chan struct{}

	// Err returns why the machine ended: nil when it was stopped or powered
	// itself off. It is valid after Done.
	Err() error

	// Console returns the last of what the guest wrote to its serial console.
	Console() []byte
}

// Sharer is a [Backend] that gives guests directories of the host, if the host has
// what that takes.
type Sharer interface {
	Backend

	// CanShare returns why the directory dir cannot be shared, nil if it can. The
	// error matches ErrUnsupported if it is for what the host lacks, and says what
	// that is.
	CanShare(ctx context.Context, dir string) error
}

// Dialer is a [Machine] whose guest can be dialled.
type Dialer interface {
	Machine

	// Dial connects to a vsock port of the guest. The error matches
	// syscall.ECONNREFUSED when nobody listens there.
	Dial(ctx context.Context, port uint32) (net.Conn, error)
}

// Weigher is a [Machine] that knows how much of the host's memory it has taken
// by now, in MiB: 0 when it cannot tell. Without it a machine's memory counts as
// yet to be taken, to be on the safe side.
type Weigher interface {
	ResidentMiB() int
}
