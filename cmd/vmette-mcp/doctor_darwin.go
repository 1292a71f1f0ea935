package main

import (
	"fmt"
	"runtime"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/internal/doctor"
	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox/vz"
)

// examineHost says what this Mac can do for Virtualization.framework.
func (doctorCmd) examineHost(*app, string) ([]doctor.Finding, error) {
	host := vz.Inspect()
	machines := doctor.Finding{Name: "virtualization", Verdict: doctor.OK, Detail: "Virtualization.framework runs machines"}
	if host.Machines != nil {
		machines.Verdict, machines.Detail = doctor.Fail, host.Machines.Error()
	}
	snapshots := doctor.Finding{Name: "saved desktops", Verdict: doctor.OK, Detail: "desktops can be saved, and new ones start from them"}
	if host.Snapshots != nil {
		snapshots.Verdict, snapshots.Detail = doctor.Warn, host.Snapshots.Error()+"; every desktop is booted"
	}
	return []doctor.Finding{
		{Name: "platform", Verdict: doctor.OK, Detail: fmt.Sprintf("%s on %s, %d CPUs", host.System, runtime.GOARCH, runtime.NumCPU())},
		machines,
		snapshots,
	}, nil
}

// cannotBuild says why no image can be built here, and what to do about it. The
// tools that are missing are not to be had for macOS.
func cannotBuild([]rootfs.Tool) string {
	return "images are built on Linux: build one on a Linux machine with " + runtime.GOARCH + " processors and copy it, as docs/macos.md tells"
}
