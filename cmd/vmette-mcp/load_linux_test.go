package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/rootfs"
)

// loadTime returns how long each part of a load lasts: a moment, or what
// VMETTE_LOAD_TIME says.
func loadTime(t *testing.T) (d time.Duration, long bool) {
	t.Helper()
	s := os.Getenv("VMETTE_LOAD_TIME")
	if s == "" {
		return 3 * time.Second, false
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d, true
}

// crowdOf are the clients of a load, and what they want.
type crowdOf struct {
	tenants  int
	clients  int // of all tenants
	desktops int // that there may be, which is less
}

// TestIntegrationLoad has more clients than there can be desktops use a server for
// a while, and finds no error but refusals that say what is the matter, and a
// server that has not grown.
func TestIntegrationLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("boots guests, which -short leaves out")
	}
	lasts, long := loadTime(t)
	size := crowdOf{tenants: 2, clients: 6, desktops: 2}
	if long {
		size = crowdOf{tenants: 10, clients: 50, desktops: 20}
	}
	if err := templateBuild(t, rootfs.MinimalSpec).Run(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range size.tenants {
		names = append(names, fmt.Sprintf("tenant-%d", i))
	}
	s := startRemote(t, names, "--image", rootfs.MinimalSpec, "--state-dir", t.TempDir(),
		"--desktops", fmt.Sprint(size.desktops))
	l := &load{t: t, lasts: lasts, closed: make(chan struct{}, size.clients)}
	ctx, stop := context.WithTimeout(t.Context(), lasts)
	defer stop()
	var wg sync.WaitGroup
	for i := range size.clients {
		c := s.client(names[i%len(names)], i/len(names)%2 == 1)
		defer c.close()
		wg.Go(func() { l.client(ctx, c) })
	}
	memory := watchMemory(ctx, t, s.cmd.Process.Pid, lasts/30)
	wg.Wait()
	stop()
	early, late := <-memory, <-memory

	t.Logf("%d clients of %d tenants on %d desktops for %v: %d desktops used, %d errors\n%s",
		size.clients, size.tenants, size.desktops, lasts, l.used, l.errors, l.took.table())
	for _, why := range slices.Sorted(maps.Keys(l.refusals)) {
		t.Logf("%d times: %s", l.refusals[why], why)
	}
	t.Logf("the server had %d MiB in the second third and %d MiB in the last", early>>20, late>>20)
	if l.used < size.desktops {
		t.Errorf("only %d desktops were used", l.used)
	}
	if long && late > early+early/5+16<<20 {
		t.Error("the server grows")
	}
	if left := desktopsLeft(t, s); left != 0 {
		t.Errorf("%d machines are left when all desktops are closed", left)
	}
}

// desktopsLeft returns how many machines a server runs.
func desktopsLeft(t *testing.T, s *remoteServer) int {
	t.Helper()
	children := descendants(t, s.cmd.Process.Pid)
	for _, c := range children {
		c.close()
	}
	return len(children)
}

// watchMemory looks at the memory of a process until ctx is done, and then tells
// its mean in the second and in the last third of that time, in bytes.
func watchMemory(ctx context.Context, t *testing.T, pid int, every time.Duration) <-chan int {
	means := make(chan int, 2)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var seen []int
		for {
			select {
			case <-tick.C:
				seen = append(seen, residentOf(t, pid))
				continue
			case <-ctx.Done():
			}
			n := len(seen) / 3
			means <- mean(seen[n : 2*n])
			means <- mean(seen[2*n:])
			return
		}
	}()
	return means
}

func mean(of []int) int {
	sum := 0
	for _, n := range of {
		sum += n
	}
	return sum / max(1, len(of))
}

// residentOf returns how many bytes of memory a process has to itself or shares.
func residentOf(t *testing.T, pid int) int {
	t.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Error(err)
		return 0
	}
	var size, resident int
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		t.Error(err)
	}
	return resident * os.Getpagesize()
}

// load is what clients of a server do and what comes of it.
type load struct {
	t      *testing.T
	lasts  time.Duration
	took   latencies
	closed chan struct{} // tells one who waits that a desktop was closed

	mu       sync.Mutex
	used     int // desktops
	errors   int
	refusals map[string]int
}

// client makes desktops, uses each for a while and closes it, until ctx is done.
func (l *load) client(ctx context.Context, c *remoteClient) {
	for ctx.Err() == nil {
		r, ok := l.call(c, "desktop_create", map[string]any{})
		switch {
		case !ok:
			return
		case r.refused != "":
			select { // until there is room: refusals are not worth asking for again and again
			case <-l.closed:
			case <-ctx.Done():
			}
			continue
		}
		l.use(ctx, c, r.desktop)
		if _, ok := l.call(c, "desktop_close", map[string]any{"desktop_id": r.desktop}); !ok {
			return
		}
		select {
		case l.closed <- struct{}{}:
		default: // enough are told already
		}
	}
}

// terminal is a command whose window takes what is typed, and covers the points
// from 150 to 350 in both directions.
const terminal = "xterm -geometry 100x40+100+100"

// use does on a desktop what a model would.
func (l *load) use(ctx context.Context, c *remoteClient, id string) {
	l.mu.Lock()
	l.used++
	l.mu.Unlock()
	if _, ok := l.call(c, "launch", map[string]any{"desktop_id": id, "command": terminal}); !ok {
		return
	}
	for range 8 {
		for _, step := range []struct {
			tool string
			args map[string]any
		}{
			{"screenshot", map[string]any{}},
			{"left_click", map[string]any{"coordinate": []int{150 + rand.IntN(200), 150 + rand.IntN(200)}}},
			{"type", map[string]any{"text": "What do you see now?"}},
			{"key", map[string]any{"text": "Return"}},
			{"scroll", map[string]any{"coordinate": []int{300, 300}, "scroll_direction": "down", "scroll_amount": 3}},
			{"exec", map[string]any{"command": "echo $$"}},
			{"desktop_list", map[string]any{}},
		} {
			if ctx.Err() != nil {
				return
			}
			if step.tool != "desktop_list" {
				step.args["desktop_id"] = id
			}
			if _, ok := l.call(c, step.tool, step.args); !ok {
				return
			}
		}
	}
}

// call calls a tool and keeps book of it. It reports false for an error. A call goes
// on when the time of the load is over.
func (l *load) call(c *remoteClient, tool string, args map[string]any) (remoteResult, bool) {
	begun := time.Now()
	r, err := c.call(l.t.Context(), tool, args)
	if err != nil || r.failed != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.errors++; l.errors <= 10 {
			l.t.Errorf("%s: %v %s", tool, err, r.failed)
		}
		return r, false
	}
	if r.refused != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.refusals == nil {
			l.refusals = make(map[string]int)
		}
		why, _, _ := strings.Cut(r.refused, " in ") // when to come again
		l.refusals[tool+": "+why]++
		return r, true
	}
	l.took.add(tool, time.Since(begun))
	return r, true
}
