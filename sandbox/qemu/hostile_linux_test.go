package qemu_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/qemu"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest/testimage"
)

// A guest that does its worst over vsock harms its own sandbox only: calls to
// it end by themselves, its neighbour of the same manager works on, and the
// memory of this process stays within bounds.
func TestIntegrationHostileGuest(t *testing.T) {
	const (
		calls     = 6                // each waits until a right hello gets through the wrong ones
		patience  = 30 * time.Second // for a call to the guest that attacks; only this test's clock measures it
		courtesy  = 10 * time.Second // for one to its neighbour, both emulated on a busy machine
		maxGrowth = 64 << 20
	)
	m, err := sandbox.NewManager(sandbox.ManagerConfig{Backend: backend(t, qemu.Options{}), StateDir: t.TempDir(), Capacity: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	create := func(owner string, cfg sandbox.Config) *sandbox.Session {
		l, err := m.Create(t.Context(), owner, cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		return l.Session()
	}
	neighbour := create("neighbour", testimage.Minimal(t))
	look := func() {
		if _, err := neighbour.Do(t.Context(), desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveNow}); err != nil {
			t.Errorf("the neighbour's screen: %v", err)
		}
	}
	look() // the whole screen is here before memory is measured
	attacker := create("attacker", fastGuest(t))
	before := heap()

	failed := 0
	var slowest time.Duration
	for i := range calls {
		start := time.Now()
		_, err := attacker.Do(t.Context(), desktop.CursorPosition{}, desktop.Observe{})
		if took := time.Since(start); took > patience {
			t.Errorf("a call took %v", took)
		}
		if err != nil {
			failed++
			if len(err.Error()) > 4<<10 {
				t.Errorf("an error of %d bytes came from the guest", len(err.Error()))
			}
			t.Log(time.Since(start), err)
		}

		start = time.Now()
		res, err := neighbour.Do(t.Context(), desktop.Exec{Command: fmt.Sprintf("echo %d >> ~/kept; wc -l < ~/kept", i)}, desktop.Observe{})
		if err != nil {
			t.Fatalf("the neighbour: %v", err)
		}
		if got := strings.TrimSpace(string(res.Stdout)); got != strconv.Itoa(i+1) || len(res.Notices) != 0 {
			t.Errorf("the neighbour's file has %s lines, want %d; notices %q", got, i+1, res.Notices)
		}
		look()
		slowest = max(slowest, time.Since(start))
	}
	t.Logf("slowest turn of the neighbour: %v", slowest)
	if slowest > courtesy {
		t.Errorf("a turn of the neighbour took %v", slowest)
	}
	if failed < calls/2 {
		t.Errorf("%d of %d calls to a guest that answers wrongly failed", failed, calls)
	}
	if grown := heap() - before; grown > maxGrowth {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if !strings.Contains(attacker.Console(), "hostile: attack") {
		t.Errorf("the guest did not attack:\n%s", attacker.Console())
	}
}

// heap returns how much memory the heap has taken from the system at most.
func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapSys)
}
