//go:build !darwin

package oneshot

import (
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/qemu"
)

// newBackend returns what runs sandboxes on this host.
func newBackend() (sandbox.Backend, error) { return qemu.New(qemu.Options{}) }
