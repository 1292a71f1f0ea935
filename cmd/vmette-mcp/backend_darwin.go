package main

import (
	"cmp"
	"fmt"
	"log/slog"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/vz"
)

// newBackend returns what runs sandboxes on this Mac.
func newBackend(f sandboxFlags, _ string, log *slog.Logger) (sandbox.Backend, error) {
	const auto = "auto"
	if cmp.Or(f.Accel, auto) != auto || cmp.Or(f.Vsock, auto) != auto {
		return nil, fmt.Errorf("%w: --accel and --vsock are for QEMU, which is not used on macOS: leave them out", sandbox.ErrInvalidConfig)
	}
	return vz.New(vz.Options{Logger: log})
}
