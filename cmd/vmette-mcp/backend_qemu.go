//go:build !darwin

package main

import (
	"log/slog"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/qemu"
)

// newBackend returns what runs sandboxes on this host.
func newBackend(f sandboxFlags, cacheDir string, log *slog.Logger) (sandbox.Backend, error) {
	return qemu.New(backendOptions(f, cacheDir, log))
}

func backendOptions(f sandboxFlags, cacheDir string, log *slog.Logger) qemu.Options {
	return qemu.Options{
		Accel:    qemu.Accel(f.Accel),
		Vsock:    qemu.Door(f.Vsock),
		CacheDir: cacheDir,
		Logger:   log,
	}
}
