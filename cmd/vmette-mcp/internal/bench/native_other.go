//go:build !linux

package bench

import (
	"context"
	"fmt"
	"runtime"

	"github.com/vmette/vmette-mcp/sandbox"
)

// Native needs an X server of the host and a Linux guest agent.
func Native(context.Context, []byte, Options) (Report, error) {
	return Report{}, fmt.Errorf("native measurement: %w on %s", sandbox.ErrUnsupported, runtime.GOOS)
}
