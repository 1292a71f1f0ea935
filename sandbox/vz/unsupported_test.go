//go:build !(darwin && cgo)

package vz

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/sandbox"
)

// TestNowhere checks what a program is told where there is no framework.
func TestNowhere(t *testing.T) {
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, startErr := sandbox.Start(t.Context(), b, imageConfig(t), sandbox.StartOptions{Dir: dir})
	_, printErr := b.Fingerprint(t.Context(), imageConfig(t))
	h := Inspect()
	for what, err := range map[string]error{"Start": startErr, "Fingerprint": printErr, "Machines": h.Machines, "Snapshots": h.Snapshots} {
		if !errors.Is(err, sandbox.ErrUnsupported) || !strings.Contains(err.Error(), "macOS") && !strings.Contains(err.Error(), "cgo") {
			t.Errorf("%s: %v, want an unsupported that says what is needed", what, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}
