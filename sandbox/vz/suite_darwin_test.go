//go:build cgo

package vz_test

import (
	"log/slog"
	"testing"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest/testimage"
	"github.com/vmette/vmette-mcp/sandbox/vz"
)

// TestIntegrationSuite runs the suite of all backends. The test binary has to be
// signed: go test -exec packaging/macos/run-signed.sh.
func TestIntegrationSuite(t *testing.T) {
	b, err := vz.New(vz.Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	h := vz.Inspect()
	t.Logf("%s; machines: %v; snapshots: %v", h.System, h.Machines, h.Snapshots)
	var suited sandbox.Backend = b
	if h.Snapshots != nil {
		suited = struct{ sandbox.Backend }{b} // what cannot be saved is no Snapshotter to the suite
	}
	sandboxtest.Suite(t, suited, testimage.Minimal(t))
}
