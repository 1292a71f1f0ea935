package oneshot

import (
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/vz"
)

// newBackend returns what runs sandboxes on this host.
func newBackend() (sandbox.Backend, error) { return vz.New(vz.Options{}) }
