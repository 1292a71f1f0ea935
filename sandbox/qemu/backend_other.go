//go:build !linux

package qemu

import (
	"context"
	"fmt"
	"runtime"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Backend is the backend of Linux; elsewhere it starts nothing.
type Backend struct{}

// New returns a backend whose Start fails.
func New(opts Options) (*Backend, error) {
	if err := opts.withDefaults().validate(); err != nil {
		return nil, err
	}
	return &Backend{}, nil
}

// Name returns "qemu".
func (*Backend) Name() string { return "qemu" }

// Start fails with an error that matches [sandbox.ErrUnsupported].
func (*Backend) Start(context.Context, sandbox.Config, desktop.Boot, string, func(string)) (sandbox.Machine, error) {
	return nil, unsupported()
}

// Inspect fails with an error that matches [sandbox.ErrUnsupported].
func Inspect(context.Context, Options) (Host, error) { return Host{}, unsupported() }

func unsupported() error {
	return fmt.Errorf("%w: the qemu backend runs on linux, not on %s", sandbox.ErrUnsupported, runtime.GOOS)
}
