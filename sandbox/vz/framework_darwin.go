//go:build cgo

package vz

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/Code-Hex/vz/v3"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
)

// framework is Virtualization.framework.
type framework struct{}

func newHypervisor() hypervisor { return framework{} }

func (framework) usable() error { return usable() }

// usable makes, once, the smallest machine that there is and has the framework
// check it, without starting it. The answer does not change while the program
// runs.
var usable = sync.OnceValue(func() error {
	self, err := os.Executable() // some file has to be named as the kernel
	if err != nil {
		return fmt.Errorf("%w: %v", sandbox.ErrUnsupported, err)
	}
	l := hostLimits()
	m, err := framework{}.create(spec{kernel: self, initramfs: self, cpus: l.minCPUs, memory: l.minMemory})
	switch {
	case err == nil:
		m.close()
		m.console().Close()
		return nil
	case errors.Is(err, vz.ErrUnsupportedOSVersion):
		return fmt.Errorf("%w: machines need macOS 13 or later", sandbox.ErrUnsupported)
	case strings.Contains(err.Error(), entitlement):
		return fmt.Errorf("%w: this program is not signed with the entitlement %s: make build signs it", sandbox.ErrUnsupported, entitlement)
	}
	return fmt.Errorf("%w: Virtualization.framework runs no machine here: %v", sandbox.ErrUnsupported, err)
})

const entitlement = "com.apple.security.virtualization"

func (framework) version() string {
	product, _ := unix.Sysctl("kern.osproductversion")
	build, _ := unix.Sysctl("kern.osversion")
	return strings.TrimSpace("macOS " + product + " " + build)
}

func hostLimits() limits {
	return limits{
		minCPUs:   vz.VirtualMachineConfigurationMinimumAllowedCPUCount(),
		maxCPUs:   vz.VirtualMachineConfigurationMaximumAllowedCPUCount(),
		minMemory: vz.VirtualMachineConfigurationMinimumAllowedMemorySize(),
		maxMemory: vz.VirtualMachineConfigurationMaximumAllowedMemorySize(),
	}
}

func (framework) create(s spec) (_ vm, err error) {
	if err := s.check(hostLimits()); err != nil {
		return nil, err
	}
	m := new(appleVM)
	if m.tty, err = openTTY(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			m.close()
			m.console().Close()
		}
	}()
	if m.config, err = m.configure(s); err != nil {
		return nil, err
	}
	if m.VirtualMachine, err = vz.NewVirtualMachine(m.config); err != nil {
		return nil, fmt.Errorf("make machine: %w", err)
	}
	devices := m.SocketDevices()
	if len(devices) != 1 {
		return nil, fmt.Errorf("the machine has %d vsock devices, not one", len(devices))
	}
	m.vsock = devices[0]
	return m, nil
}
