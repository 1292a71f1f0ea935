package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestIntegrationRunSoak runs one command after the other, each in a sandbox of its
// own with a scratch disk and a share, and finds this process as it was. With
// VMETTE_SOAK_TURNS it does so that often.
func TestIntegrationRunSoak(t *testing.T) {
	const (
		warmUp  = 2
		mayGrow = 32 << 20 // bytes of memory
	)
	n := 2
	if os.Getenv("VMETTE_SOAK_TURNS") != "" {
		n = turns(t)
	}
	root, temporary := smallRoot(t), t.TempDir()
	runCommand(t, root) // removes the image in the end
	t.Setenv("TMPDIR", temporary)
	t.Setenv("VMETTE_STATE_DIR", filepath.Join(temporary, "state"))
	var before footprint
	var goroutines goleak.Option
	begun := time.Now()
	for i := range warmUp + n {
		if i == warmUp {
			goroutines = goleak.IgnoreCurrent()
			before = measure(t, temporary)
			begun = time.Now()
		}
		var stdout strings.Builder
		code := run(t.Context(), []string{
			"run", "--rootfs", root, "--scratch=64M", "--share", "here=" + t.TempDir(), "--", "sh", "-c", "cat; exit 42",
		}, strings.NewReader("typed"), &stdout, io.Discard)
		if code != 42 || stdout.String() != "typed" {
			t.Fatalf("run %d: exit code %d, stdout %q", i, code, &stdout)
		}
	}
	t.Logf("%d runs in %v", n, time.Since(begun).Round(time.Second))
	if err := goleak.Find(goroutines); err != nil {
		t.Error(err)
	}
	after := measure(t, temporary)
	t.Logf("before: %v", before)
	t.Logf("after:  %v", after)
	if after.fds != before.fds || after.processes != before.processes || after.files != before.files {
		t.Error("something is left of sandboxes that have ended")
	}
	if after.rss > before.rss+mayGrow {
		t.Errorf("the process has grown by %d MiB", (after.rss-before.rss)>>20)
	}
}
