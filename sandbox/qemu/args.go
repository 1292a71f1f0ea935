package qemu

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/vmette/vmette-mcp/sandbox"
)

// commandLine is what the arguments of a QEMU process are made of. The fd
// fields are numbers in that process.
type commandLine struct {
	isolation  sandbox.Isolation
	cpus       int
	memoryMiB  int
	memoryFD   int
	kernelFD   int
	initrdFD   int
	rootFD     int // 0 without a root
	disks      []disk
	shares     []directory
	consoleFD  int
	qmpFD      int
	networkFD  int      // 0 without a network
	netArgs    []string // of the network card; none without
	vsockArgs  []string // of what carries the guest's connections
	kernelArgs []string

	// resumed machines wait for the state of their devices. Their memory is
	// there already, and stays as it is for others: what they write is theirs.
	resumed bool
}

// hotplugPorts is how many PCI Express ports there are for devices that come and
// go while the machine runs: pcie.0 itself takes none. They are the vsock device's,
// which must be away while a machine is saved, and the network card's, which is.
const (
	hotplugPorts = 2
	vsockPort    = "port0"
	networkPort  = "port1"
)

// args returns the arguments of QEMU, without its name. One machine type
// serves both accelerators, and images have their format named, so that
// nothing in a guest's disk can choose it.
func (c commandLine) args() []string {
	size := strconv.Itoa(c.memoryMiB) + "M"
	share := "on"
	if c.resumed {
		share = "off"
	}
	a := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-machine", "q35,memory-backend=mem0,graphics=off,vmport=off,smm=off,usb=off,dump-guest-core=off",
	}
	a = append(a, accelArgs(c.isolation)...)
	a = append(a,
		"-smp", strconv.Itoa(c.cpus),
		"-m", size,
		"-object", "memory-backend-file,id=mem0,size="+size+",mem-path="+fdPath(c.memoryFD)+",share="+share,
	)
	if c.resumed {
		// A state of devices alone does not begin with the machine's name, as one
		// of all does: see qemu_save_device_state in QEMU's migration/savevm.c.
		a = append(a, "-S", "-incoming", "defer", "-global", "migration.send-configuration=off")
	} else {
		a = append(a,
			"-kernel", fdPath(c.kernelFD),
			"-initrd", fdPath(c.initrdFD),
			"-append", strings.Join(c.kernelArgs, " "),
		)
	}
	a = append(a,
		"-chardev", socketFD("qmp", c.qmpFD), "-mon", "chardev=qmp,mode=control",
		"-chardev", socketFD("console", c.consoleFD), "-serial", "chardev:console",
	)
	if c.rootFD != 0 {
		a = append(a,
			"-add-fd", fmt.Sprintf("fd=%d,set=1", c.rootFD),
			"-blockdev", "driver=file,node-name=root-file,filename=/dev/fdset/1,read-only=on,locking=off",
			"-blockdev", "driver=raw,node-name=root,file=root-file,read-only=on",
			"-device", "virtio-blk-pci,drive=root,disable-legacy=on",
		)
	}
	a = append(a, c.diskArgs()...)
	a = append(a, c.shareArgs()...)
	a = append(a, "-device", "virtio-rng-pci,disable-legacy=on")
	for i := range hotplugPorts {
		a = append(a, "-device", fmt.Sprintf("pcie-root-port,id=port%d,chassis=%d", i, i+1))
	}
	a = append(a, c.netArgs...)
	return append(a, c.vsockArgs...)
}

// accelArgs returns the arguments that choose the accelerator and with it the
// processor. Under TCG it must be "max": with lesser models Linux does not get
// past the calibration of its clock.
func accelArgs(i sandbox.Isolation) []string {
	if i == sandbox.IsolationKVM {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	return []string{"-accel", "tcg,thread=multi", "-cpu", "max"}
}

// kernelArgs returns the guest kernel's command line. It holds no secret:
// every process of the guest can read it.
func kernelArgs(i sandbox.Isolation) []string {
	a := []string{
		"console=ttyS0", "quiet",
		"panic=-1",            // a panic reboots at once, which ends the machine
		"random.trust_cpu=on", // do not wait for entropy
	}
	if i == sandbox.IsolationEmulated {
		a = append(a,
			"no_timer_check",    // the emulated timer may be late for the check
			"mitigations=off",   // nothing is speculated in a translator
			"tsc=reliable",      // else Linux reads the time from the HPET, ten times slower
			"cryptomgr.notests", // self-tests of the kernel's ciphers, a tenth of its boot
		)
	}
	return a
}

// fdPath names an inherited file to the parts of QEMU that take only paths.
func fdPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// socketFD returns the character device of an inherited socket.
func socketFD(id string, fd int) string { return fmt.Sprintf("socket,id=%s,fd=%d", id, fd) }
