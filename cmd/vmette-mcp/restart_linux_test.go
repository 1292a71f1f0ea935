package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/rootfs"
)

// buildMinimalTemplate sees to it that desktops of the minimal image start from a
// template.
func buildMinimalTemplate(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a guest, which -short leaves out")
	}
	if err := templateBuild(t, rootfs.MinimalSpec).Run(); err != nil {
		t.Fatalf("%v: vmette-mcp rootfs build makes the image (make test does)", err)
	}
}

// expectNoOrphans waits until everything is gone that a server had started, which has
// ended.
func expectNoOrphans(t *testing.T) {
	t.Helper()
	for _, p := range descendants(t, os.Getpid()) {
		if !p.endsWithin(2 * time.Second) {
			t.Errorf("%v outlives the server", p)
		}
		p.reap()
		p.close()
	}
}

// owner is a client, and other one who has no part in its desktops.
const owner, other = "owner", "other"

// asked calls a tool that is to be answered, and returns what it said.
func asked(t *testing.T, s *remoteServer, who, tool string, args map[string]any) (r remoteResult, stdout string) {
	t.Helper()
	c := s.client(who, true)
	defer c.close()
	if args == nil {
		args = map[string]any{}
	}
	r, err := c.call(t.Context(), tool, args)
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Stdout string `json:"stdout"`
	}
	if r.data != nil {
		if err := json.Unmarshal(r.data, &out); err != nil {
			t.Fatal(err)
		}
	}
	return r, out.Stdout
}

// desktopsOf returns those of a client.
func desktopsOf(t *testing.T, s *remoteServer, who string) (ids []string) {
	t.Helper()
	r, _ := asked(t, s, who, "desktop_list", nil)
	var list struct {
		Desktops []struct {
			ID string `json:"desktop_id"`
		} `json:"desktops"`
	}
	if err := json.Unmarshal(r.data, &list); err != nil {
		t.Fatal(err)
	}
	for _, d := range list.Desktops {
		ids = append(ids, d.ID)
	}
	return ids
}

// TestIntegrationRestart uses a desktop before and after a restart of its server, and
// then kills the server while the desktop is being suspended.
func TestIntegrationRestart(t *testing.T) {
	buildMinimalTemplate(t)
	adoptOrphans(t)
	state := t.TempDir()
	flags := []string{"--image", rootfs.MinimalSpec, "--state-dir", state, "--at-exit", "suspend"}
	s := startRemote(t, []string{owner, other}, flags...)
	create := map[string]any{"idempotency_key": "mine"}
	made, _ := asked(t, s, owner, "desktop_create", create)
	on := func(args ...string) map[string]any {
		m := map[string]any{"desktop_id": made.desktop}
		for i := 0; i < len(args); i += 2 {
			m[args[i]] = args[i+1]
		}
		return m
	}
	for _, step := range [][]string{{"exec", "command", "echo kept >~/note; sleep 1000 >/dev/null 2>&1 & echo $! >~/pid"}, {"desktop_checkpoint", "name", "half"}} {
		if r, _ := asked(t, s, owner, step[0], on(step[1:]...)); r.failed != "" {
			t.Fatal(r.failed)
		}
	}

	cancelWaits(t, s, made.desktop)

	begun := time.Now()
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	t.Logf("ended in %v", time.Since(begun))
	expectNoOrphans(t)
	if left, err := filepath.Glob(filepath.Join(state, "*")); err != nil || len(left) != 2 {
		t.Errorf("%v is left, %v; want the lock and the desktop", left, err)
	}

	s.start(t, flags...)
	if list := desktopsOf(t, s, owner); !slices.Equal(list, []string{made.desktop}) {
		t.Errorf("the next server has %v", list)
	}
	if again, _ := asked(t, s, owner, "desktop_create", create); again.desktop != made.desktop {
		t.Errorf("the same key is answered with %q: %s", again.desktop, again.text)
	}
	if r, _ := asked(t, s, other, "exec", on("command", "true")); r.failed == "" {
		t.Error("another client uses the desktop")
	}
	begun = time.Now()
	r, stdout := asked(t, s, owner, "exec", on("command", "cat ~/note; kill -0 $(cat ~/pid) && echo runs"))
	if stdout != "kept\nruns\n" || !strings.Contains(r.text, "The server was restarted") {
		t.Fatalf("the desktop says %q: %s", stdout, r.text)
	}
	t.Logf("first used in %v", time.Since(begun))
	if r, _ := asked(t, s, owner, "desktop_rollback", on("checkpoint", "half")); !strings.Contains(r.failed, "ended when the server was restarted") {
		t.Errorf("desktop_rollback: %s", r.text)
	}

	begun = time.Now()
	if r, _ := asked(t, s, owner, "desktop_suspend", on()); r.failed != "" {
		t.Error(r.failed)
	}
	suspend := time.Since(begun)
	if r, _ := asked(t, s, owner, "exec", on("command", "echo later >~/note")); r.failed != "" {
		t.Fatal(r.failed)
	}
	var answered sync.WaitGroup
	c := s.client(owner, true)
	answered.Go(func() {
		_, _ = c.call(t.Context(), "desktop_suspend", on()) // it may hear of the end of the server
		c.close()
	})
	moment := rand.N(suspend)
	t.Logf("killed %v after the begin of a suspend, which takes about %v", moment, suspend)
	<-time.After(moment)
	_ = s.end(os.Kill)
	answered.Wait()
	expectNoOrphans(t)

	s.start(t, flags...)
	r, stdout = asked(t, s, owner, "exec", on("command", "cat ~/note"))
	switch {
	case strings.Contains(r.failed, "no such desktop"):
		t.Log("the desktop is gone, as it had not been suspended")
	case stdout != "later\n":
		t.Errorf("the desktop says %q: %s", stdout, r.text)
	default:
		asked(t, s, owner, "desktop_close", on())
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if left := filesIn(t, state); len(left) > 0 {
		t.Errorf("these files are left: %v", left)
	}
}

// kills is how often a server is killed under load, and after how long at most: a few
// times, or as often as VMETTE_KILLS says, with more time for desktops to be suspended.
func kills(t *testing.T) (n int, longest time.Duration) {
	t.Helper()
	s := os.Getenv("VMETTE_KILLS")
	if s == "" {
		return 5, 4 * time.Second
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("VMETTE_KILLS is %q, not a number", s)
	}
	return n, 12 * time.Second
}

// TestIntegrationKillUnderLoad kills a server again and again while clients make,
// use, save, fork, suspend and close desktops. Each time nothing of it runs on, and
// the next server has cleared up within seconds of its start.
func TestIntegrationKillUnderLoad(t *testing.T) {
	const (
		clients = 3
		mayTake = 5 * time.Second // to clear up
	)
	buildMinimalTemplate(t)
	adoptOrphans(t)
	state, temporary := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))
	taken, slowest := 0, time.Duration(0)
	flags := []string{"--image", rootfs.MinimalSpec, "--state-dir", state, "--at-exit", "suspend", "--desktops", strconv.Itoa(clients + 1)}
	s := startRemote(t, []string{owner}, flags...)
	times, longest := kills(t)
	for n := range times {
		var load sync.WaitGroup
		for range clients {
			load.Go(func() { burden(t.Context(), s.client(owner, true)) })
		}
		moment := time.Duration(moments.Int64N(int64(longest)))
		<-time.After(moment)
		_ = s.end(os.Kill)
		load.Wait()
		expectNoOrphans(t)

		begun := time.Now()
		s.start(t, flags...)
		list := desktopsOf(t, s, owner)
		took := time.Since(begun)
		taken, slowest = taken+len(list), max(slowest, took)
		if took > mayTake {
			t.Errorf("kill %d, after %v: the next server took %v to be there", n, moment, took)
		}
		expectClear(t, state, temporary, len(list))
		for _, id := range list {
			asked(t, s, owner, "desktop_close", map[string]any{"desktop_id": id})
		}
	}
	t.Logf("desktops taken back: %d; slowest start: %v", taken, slowest)
	if err := s.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if left := append(filesIn(t, state), filesIn(t, temporary)...); len(left) > 0 {
		t.Errorf("these files are left: %v", left)
	}
}

// burden does to a server what clients do, until it is gone. Every second desktop that
// it makes stays suspended, until there is no room for another one.
func burden(ctx context.Context, c *remoteClient) {
	defer c.close()
	type step struct {
		tool string
		args map[string]any
	}
	asleep := []step{{"screenshot", nil}, {"desktop_suspend", nil}}
	busy := []step{
		{"left_click", map[string]any{"coordinate": []int{300, 300}}},
		{"desktop_suspend", nil},
		{"exec", map[string]any{"command": "date >~/now"}},
		{"desktop_checkpoint", nil},
		{"desktop_fork", nil},
		{"desktop_rollback", nil},
	}
	var made []string
	call := func(tool, id string, more map[string]any) (desktop string, gone bool) {
		args := maps.Clone(more)
		if args == nil {
			args = make(map[string]any)
		}
		if id != "" {
			args["desktop_id"] = id
		}
		r, err := c.call(ctx, tool, args)
		if tool == "desktop_create" || tool == "desktop_fork" {
			if desktop = r.desktop; desktop != "" {
				made = append(made, desktop)
			}
		}
		return desktop, err != nil
	}
	for n := 0; ; n++ {
		id, gone := call("desktop_create", "", nil)
		if gone {
			return
		}
		steps := [][]step{asleep, busy}[n%2]
		if id == "" { // no room
			steps = nil
			for _, old := range made {
				if _, gone := call("desktop_close", old, nil); gone {
					return
				}
			}
			made = nil
		}
		for _, do := range steps {
			if _, gone := call(do.tool, id, do.args); gone {
				return
			}
		}
	}
}

// expectClear checks that a server which has just started keeps nothing of the one
// before but so many desktops.
func expectClear(t *testing.T, state, temporary string, desktops int) {
	t.Helper()
	server, err := filepath.Glob(filepath.Join(state, "server-*"))
	waiting, err2 := filepath.Glob(filepath.Join(state, "kept-*"))
	if err = errors.Join(err, err2); err != nil || len(server) != 1 || len(waiting) > 0 {
		t.Fatalf("there are %v and %v, %v; want one server's", server, waiting, err)
	}
	suspended, err := filepath.Glob(filepath.Join(server[0], "suspended-*"))
	all, err2 := os.ReadDir(server[0])
	if err = errors.Join(err, err2); err != nil || len(suspended) != desktops || len(all) != desktops+1 {
		t.Errorf("there are %v for %d desktops, %v", all, desktops, err)
	}
	if left := filesIn(t, temporary); len(left) > 0 {
		t.Errorf("these files are left: %v", left)
	}
}
