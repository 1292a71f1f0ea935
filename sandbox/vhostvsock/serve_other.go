//go:build !linux

package vhostvsock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
)

// Serve returns an error that matches errors.ErrUnsupported and closes conn: the
// device works on Linux only.
func (d *Device) Serve(_ context.Context, conn *net.UnixConn, _ int) error {
	conn.Close()
	return fmt.Errorf("serve vsock device on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// CheckAccess returns an error that matches errors.ErrUnsupported.
func CheckAccess(int) error {
	return fmt.Errorf("serve vsock device on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func openMemory(int, regions) (memory, error) {
	return nil, errors.ErrUnsupported
}
