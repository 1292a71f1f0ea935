package qemu

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/vmette/vmette-mcp/sandbox"
)

// door is what carries a guest's connections to the host: a listener for
// those of one guest alone.
type door interface {
	net.Listener
	// dial connects to a port of the guest.
	dial(ctx context.Context, port uint32) (net.Conn, error)
	// args returns the arguments of QEMU that make what the device needs and,
	// with device, put it into the machine.
	args(device bool) []string
	// serve runs the device of the machine whose process is pid until ctx is
	// done, and tells if it broke before that.
	serve(ctx context.Context, pid int) error
}

// openDoor opens a door for a guest that will dial port. What QEMU needs of it
// goes into files.
func openDoor(d Door, port uint32, files *fileTable, log *slog.Logger) (door, error) {
	switch d {
	case DoorVhostUser:
		return openUserDoor(port, files, log)
	case DoorVhost:
		return openKernelDoor(port, files, log)
	}
	return nil, fmt.Errorf("vsock door %q does not exist", d)
}

// doorStates tells of each door whether it is usable, in the order in which
// DoorAuto prefers them. access is what forbids this process to access the
// memory of a QEMU, or nil.
func doorStates(access error) []DoorState {
	return []DoorState{
		{DoorVhostUser, userDoorAbility(access, "/proc/sys/kernel/yama/ptrace_scope")},
		{DoorVhost, kernelDoorAbility()},
	}
}

// chooseDoor returns the door that want stands for.
func chooseDoor(want Door, states []DoorState) (Door, error) {
	var reasons []string
	for _, s := range states {
		if want != DoorAuto && want != s.Door {
			continue
		}
		if s.Usable {
			return s.Door, nil
		}
		reasons = append(reasons, fmt.Sprintf("%s: %s", s.Door, s.Ability))
	}
	return "", fmt.Errorf("%w: no vsock door to a guest: %s", sandbox.ErrUnsupported, strings.Join(reasons, "; "))
}

// userDoorAbility puts access into words. Where the kernel's Yama module is
// what forbids it (Documentation/admin-guide/LSM/Yama.rst), there is a remedy.
func userDoorAbility(access error, ptraceScope string) Ability {
	if access == nil {
		return Ability{Usable: true}
	}
	data, _ := os.ReadFile(ptraceScope) // there is none without Yama
	if scope, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && scope >= 2 {
		return Ability{
			Reason: fmt.Sprintf("kernel.yama.ptrace_scope is %d, which forbids a process to access its children's memory", scope),
			Remedy: "sysctl kernel.yama.ptrace_scope=1 (from 3, change it in /etc/sysctl.d and reboot)",
		}
	}
	return Ability{Reason: access.Error()}
}
