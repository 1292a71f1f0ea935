//go:build !(darwin && cgo)

package vz

import (
	"fmt"
	"runtime"

	"github.com/vmette/vmette-mcp/sandbox"
)

// nowhere is the hypervisor where there is no Virtualization.framework.
type nowhere struct{}

func newHypervisor() hypervisor { return nowhere{} }

func (nowhere) usable() error {
	if runtime.GOOS == "darwin" {
		return fmt.Errorf("%w: this program was built without cgo, which Virtualization.framework needs: build it with CGO_ENABLED=1", sandbox.ErrUnsupported)
	}
	return fmt.Errorf("%w: the vz backend runs on macOS, not on %s", sandbox.ErrUnsupported, runtime.GOOS)
}

func (h nowhere) saves() error            { return h.usable() }
func (h nowhere) create(spec) (vm, error) { return nil, h.usable() }
func (nowhere) version() string           { return "" }
