//go:build !darwin

package main

import (
	"fmt"
	"runtime"

	"github.com/vmette/vmette-mcp/cmd/vmette-mcp/internal/doctor"
	"github.com/vmette/vmette-mcp/rootfs"
	"github.com/vmette/vmette-mcp/sandbox/qemu"
)

// examineHost says what this host can do for QEMU.
func (doctorCmd) examineHost(a *app, cacheDir string) ([]doctor.Finding, error) {
	opts := backendOptions(sandboxFlags{}, cacheDir, a.log)
	opts.Afresh = true
	host, err := qemu.Inspect(a.ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("examine QEMU: %w", err)
	}
	findings := []doctor.Finding{platformFinding(), qemuFinding(host), kvmFinding(host)}
	if !host.User.Usable {
		findings = append(findings, doctor.Finding{
			Name:    "qemu user",
			Verdict: doctor.Warn,
			Detail:  host.User.Reason + ": QEMU runs as root, and so would a guest that breaks out of it",
			Remedy:  host.User.Remedy,
		})
	}
	return append(findings, doorFindings(host)...), nil
}

// cannotBuild says why no image can be built here, and what to do about it.
func cannotBuild(missing []rootfs.Tool) string {
	return (&rootfs.MissingError{Tools: missing}).Error()
}

func platformFinding() doctor.Finding {
	f := doctor.Finding{
		Name:    "platform",
		Verdict: doctor.OK,
		Detail:  fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		f.Verdict = doctor.Fail
		f.Detail += ": desktops run on Linux on x86_64 only"
	}
	return f
}

func qemuFinding(h qemu.Host) doctor.Finding {
	if !h.QEMU.Usable {
		return doctor.Finding{Name: "qemu", Verdict: doctor.Fail, Detail: h.QEMU.Reason, Remedy: h.QEMU.Remedy}
	}
	return doctor.Finding{Name: "qemu", Verdict: doctor.OK, Detail: fmt.Sprintf("%s at %s", h.Version, h.Binary)}
}

func kvmFinding(h qemu.Host) doctor.Finding {
	if h.KVM.Usable {
		return doctor.Finding{Name: "kvm", Verdict: doctor.OK, Detail: "runs guests"}
	}
	return doctor.Finding{
		Name:    "kvm",
		Verdict: doctor.Warn,
		Detail:  h.KVM.Reason + "; guests are emulated, which works but is many times slower",
		Remedy:  h.KVM.Remedy,
	}
}

// doorFindings says of each way to connect a guest whether it is usable. One
// is enough.
func doorFindings(h qemu.Host) []doctor.Finding {
	var findings []doctor.Finding
	for _, d := range h.Doors {
		f := doctor.Finding{Name: "vsock " + string(d.Door), Verdict: doctor.OK, Detail: "usable", Remedy: d.Remedy}
		switch {
		case d.Usable && d.Door == h.Door:
			f.Detail = "usable, and used unless --vsock says otherwise"
		case !d.Usable && h.Door != "":
			// Nothing is lost: the other door does.
			f.Detail = "not usable, and not needed: " + d.Reason
		case !d.Usable:
			f.Verdict, f.Detail = doctor.Fail, d.Reason
		}
		findings = append(findings, f)
	}
	return findings
}
