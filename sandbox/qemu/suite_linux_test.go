package qemu_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/sandbox/qemu"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest/testimage"
)

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// backend returns a backend that logs to the test.
func backend(t *testing.T, opts qemu.Options) *qemu.Backend {
	t.Helper()
	opts.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	b, err := qemu.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestIntegrationSuite(t *testing.T) {
	sandboxtest.Suite(t, backend(t, qemu.Options{}), testimage.Minimal(t))
}
