package qemu_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/qemu"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest/testimage"
)

// A guest that does its worst over vsock harms its own sandbox only: calls to
// it end in their time, its neighbour does not notice, and the memory of this
// process stays within bounds.
func TestIntegrationHostileGuest(t *testing.T) {
	const (
		calls     = 16 // more than the guest has attacks
		patience  = 20 * time.Second
		maxGrowth = 64 << 20
	)
	dir := t.TempDir()
	neighbour, err := sandbox.Start(t.Context(), &sandboxtest.Backend{}, sandboxtest.Config(), sandbox.StartOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer neighbour.Stop()
	s, err := sandbox.Start(t.Context(), backend(t, qemu.Options{}), testimage.WithInit(t, "sandbox/sandboxtest/hostile"), sandbox.StartOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	before := heap()

	failed := 0
	for range calls {
		ctx, cancel := context.WithTimeout(t.Context(), patience/2)
		start := time.Now()
		_, err := s.Do(ctx, desktop.CursorPosition{}, desktop.Observe{})
		cancel()
		if took := time.Since(start); took > patience {
			t.Errorf("a call took %v", took)
		}
		if err != nil {
			failed++
			if len(err.Error()) > 4<<10 {
				t.Errorf("an error of %d bytes came from the guest", len(err.Error()))
			}
			t.Log(err)
		}

		start = time.Now()
		if _, err := neighbour.Do(t.Context(), desktop.CursorPosition{}, desktop.Observe{}); err != nil {
			t.Errorf("the neighbour: %v", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("a call of the neighbour took %v", took)
		}
	}
	if failed < calls/2 {
		t.Errorf("%d of %d calls to a guest that answers wrongly failed", failed, calls)
	}
	if grown := heap() - before; grown > maxGrowth {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if !strings.Contains(s.Console(), "hostile: attack") {
		t.Errorf("the guest did not attack:\n%s", s.Console())
	}
}

// heap returns how much memory the heap has taken from the system at most.
func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapSys)
}
