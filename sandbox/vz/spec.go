package vz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vmette/vmette-mcp/sandbox"
)

// spec describes a machine in plain data: all that there is to say of it to the
// framework. Every machine has a console, a source of randomness, a memory
// balloon and a vsock device besides.
type spec struct {
	kernel    string // path, in the form that the boot loader takes; see bootableKernel
	initramfs string // path
	cmdline   string // of the kernel; holds no secret, every process of the guest can read it
	cpus      uint
	memory    uint64 // in bytes
	disks     []disk // in the order in which the guest sees them, from /dev/vda on
	shares    []share
	card      *card // nil without a network

	// identifier is what the framework tells machines apart by, opaque. A machine
	// that goes on from a saved state must have that of the saved one. nil means a
	// new one.
	identifier []byte
}

// newSpec returns the machine that cfg, which is valid and has its defaults,
// asks for. kernel and initramfs are the files to boot.
func newSpec(cfg sandbox.Config, kernel, initramfs string) spec {
	return spec{
		kernel:    kernel,
		initramfs: initramfs,
		cmdline:   strings.Join(append(slices.Clone(kernelArgs), cfg.Cmdline...), " "),
		cpus:      uint(cfg.CPUs),
		memory:    uint64(cfg.MemoryMiB) << 20,
		disks:     disks(cfg),
		shares:    shares(cfg),
	}
}

// kernelArgs is the guest kernel's command line.
var kernelArgs = []string{
	// The framework's console needs a module. Until that is loaded there must be
	// another console: the first process gets no standard output else, and a Go
	// program does not start without.
	"console=tty0",
	"console=hvc0", "quiet", // the last one named is /dev/console
	"panic=-1",            // a panic restarts at once, which ends the machine
	"random.trust_cpu=on", // do not wait for entropy
}

// limits are what the framework gives one machine at least and at most.
type limits struct {
	minCPUs, maxCPUs     uint
	minMemory, maxMemory uint64 // in bytes
}

// check reports why a machine cannot be had within l. The error matches
// [sandbox.ErrInvalidConfig].
func (s spec) check(l limits) error {
	if s.cpus < l.minCPUs || s.cpus > l.maxCPUs {
		return fmt.Errorf("%w: %d CPUs is not between %d and %d, which this Mac gives a machine", sandbox.ErrInvalidConfig, s.cpus, l.minCPUs, l.maxCPUs)
	}
	if s.memory < l.minMemory || s.memory > l.maxMemory {
		return fmt.Errorf("%w: %d MiB of memory is not between %d and %d, which this Mac gives a machine", sandbox.ErrInvalidConfig, s.memory>>20, l.minMemory>>20, l.maxMemory>>20)
	}
	for _, d := range s.shares {
		if len(d.tag) > maxTag {
			return fmt.Errorf("%w: tag %q of a share has more than the %d bytes that macOS allows", sandbox.ErrInvalidConfig, d.tag, maxTag)
		}
	}
	return nil
}
