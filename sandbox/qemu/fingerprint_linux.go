package qemu

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/vmette/vmette-mcp/sandbox"
)

// stateFormat is the version of what a state holds, beside QEMU's own part.
const stateFormat = 1

// Fingerprint implements [sandbox.Snapshotter].
func (b *Backend) Fingerprint(ctx context.Context, cfg sandbox.Config) (string, error) {
	p, err := b.prepare(ctx, nil)
	if err != nil {
		return "", err
	}
	if p.door != DoorVhostUser {
		return "", fmt.Errorf("%w: machines with the vsock door %s cannot be saved: use the door %s", sandbox.ErrSnapshotUnsupported, p.door, DoorVhostUser)
	}
	cfg = cfg.WithDefaults()
	c := commandLine{isolation: p.isolation, cpus: cfg.CPUs, memoryMiB: cfg.MemoryMiB, kernelArgs: kernelArgs(p.isolation)}
	if cfg.ScratchMiB > 0 {
		c.disks = []disk{{scratch: true}}
	}
	parts := append([]string{fmt.Sprintf("state %d", stateFormat), p.version}, c.args()...)
	if cfg.ScratchMiB > 0 {
		parts = append(parts, fmt.Sprintf("scratch disk of %d MiB, %s", cfg.ScratchMiB, scratchFeatures))
	}
	if p.isolation == sandbox.IsolationKVM {
		parts = append(parts, processor())
	}
	return strings.Join(parts, "\n"), nil
}

// processor names the host's processor and all that it can: what a guest that has
// seen it may rely on.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	var parts []string
	for line := range strings.Lines(string(data)) {
		name, _, _ := strings.Cut(line, "\t")
		if slices.Contains([]string{"vendor_id", "cpu family", "model", "stepping", "microcode", "flags"}, name) {
			parts = append(parts, strings.TrimSpace(line))
		}
		if strings.TrimSpace(line) == "" {
			break // the others are alike
		}
	}
	return strings.Join(parts, "\n")
}
