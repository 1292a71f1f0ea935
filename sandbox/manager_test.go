package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// manager returns a manager for two sandboxes at most, unless change says
// otherwise, which is closed when the test ends.
func manager(t *testing.T, dir string, change func(*sandbox.ManagerConfig)) (*sandbox.Manager, *sandboxtest.Backend) {
	t.Helper()
	b := &sandboxtest.Backend{}
	cfg := sandbox.ManagerConfig{Backend: b, StateDir: dir, Capacity: 2}
	if change != nil {
		change(&cfg)
	}
	m, err := sandbox.NewManager(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m, b
}

func create(t *testing.T, m *sandbox.Manager, owner string) *sandbox.Lease {
	t.Helper()
	l, err := m.Create(t.Context(), owner, sandboxtest.Config(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestManagerGivesHandlesToTheirOwner(t *testing.T) {
	m, b := manager(t, t.TempDir(), nil)
	l := create(t, m, "alice")
	info := l.Info()
	l.Release()
	if info.Image != "fake" || info.Backend != "fake" || info.Isolation != sandbox.IsolationEmulated || info.Size != sandboxtest.Config().Screen {
		t.Errorf("info %+v", info)
	}
	if len(info.ID) < 22 || strings.ContainsAny(info.ID, "/+= ") {
		t.Errorf("desktop_id %q is short or not URL-safe", info.ID)
	}

	a, err := m.Acquire(t.Context(), "alice", info.ID)
	if err != nil {
		t.Fatal(err)
	}
	do(t, a.Session(), desktop.CursorPosition{})
	a.Release()
	a.Release()

	_, foreign := m.Acquire(t.Context(), "bob", info.ID)
	_, unknown := m.Acquire(t.Context(), "bob", "nothing")
	if !errors.Is(foreign, sandbox.ErrNoDesktop) || foreign.Error() != unknown.Error() {
		t.Errorf("another owner's desktop: %v; an unknown one: %v; want the same ErrNoDesktop", foreign, unknown)
	}
	if err := m.End(t.Context(), "bob", info.ID); !errors.Is(err, sandbox.ErrNoDesktop) {
		t.Errorf("another owner ends it: got %v, want ErrNoDesktop", err)
	}
	if got := m.List("bob"); len(got) != 0 {
		t.Errorf("another owner's list: %+v", got)
	}
	if got := m.List("alice"); len(got) != 1 || got[0].ID != info.ID {
		t.Errorf("the owner's list: %+v", got)
	}
	if err := m.End(t.Context(), "alice", info.ID); err != nil || b.Running() != 0 {
		t.Errorf("End: %v, %d machines left", err, b.Running())
	}
	_, gone := m.Acquire(t.Context(), "alice", info.ID)
	if !errors.Is(gone, sandbox.ErrNoDesktop) || !strings.Contains(gone.Error(), "it was closed") {
		t.Errorf("the owner's ended desktop: got %v, want ErrNoDesktop that says why", gone)
	}
	if _, foreign := m.Acquire(t.Context(), "bob", info.ID); foreign.Error() != unknown.Error() {
		t.Errorf("another owner's ended desktop: got %v, want %v", foreign, unknown)
	}
}

// A guest may not be able to have the screen that it is told to have.
func TestManagerTellsTheSizeThatTheGuestHas(t *testing.T) {
	size := desktop.Size{Width: 1024, Height: 768}
	var log bytes.Buffer
	m, _ := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Backend = &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error {
			conn, err := g.Dial(ctx)
			if err != nil {
				return err
			}
			hello := sandboxtest.Hello(g.Boot)
			hello.Screen = size
			return sandboxtest.Serve(ctx, conn, hello)
		}}
	})
	l := create(t, m, "alice")
	if got := l.Info().Size; got != size {
		t.Errorf("info says %v, want %v", got, size)
	}
	if got := m.List("alice"); len(got) != 1 || got[0].Size != size {
		t.Errorf("list says %+v, want %v", got, size)
	}
	l.Release()
	if err := m.Close(); err != nil { // nothing logs any more
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "another size") {
		t.Errorf("no warning was logged: %s", log.String())
	}
}

func TestManagerListsOldestFirst(t *testing.T) {
	m, _ := manager(t, t.TempDir(), nil)
	first, second := create(t, m, "alice"), create(t, m, "alice")
	var got []string
	for _, i := range m.List("alice") {
		got = append(got, i.ID)
	}
	if diff := cmp.Diff([]string{first.Info().ID, second.Info().ID}, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestManagerKeepsWithinCapacity(t *testing.T) {
	m, b := manager(t, t.TempDir(), nil)
	create(t, m, "alice")
	l := create(t, m, "bob")
	_, err := m.Create(t.Context(), "carol", sandboxtest.Config(), nil)
	if !errors.Is(err, sandbox.ErrCapacity) || !strings.Contains(err.Error(), "2 of 2 are running") {
		t.Errorf("third of two: got %v, want ErrCapacity that says how many run", err)
	}
	if b.Running() != 2 {
		t.Errorf("%d machines run, want 2", b.Running())
	}
	if err := m.End(t.Context(), "bob", l.Info().ID); err != nil {
		t.Fatal(err)
	}
	create(t, m, "carol")
}

func TestManagerReservesBeforeBoot(t *testing.T) {
	booting, boot := make(chan struct{}), make(chan struct{})
	b := &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error {
		close(booting)
		<-boot
		return sandboxtest.Desktop(ctx, g)
	}}
	m, _ := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Backend, c.Capacity = b, 1 })
	var wg sync.WaitGroup
	wg.Go(func() { create(t, m, "alice") })
	<-booting
	if _, err := m.Create(t.Context(), "bob", sandboxtest.Config(), nil); !errors.Is(err, sandbox.ErrCapacity) {
		t.Errorf("while the only one boots: got %v, want ErrCapacity", err)
	}
	close(boot)
	wg.Wait()
}

func TestManagerGivesRoomBackAfterFailedBoot(t *testing.T) {
	b := &sandboxtest.Backend{StartErr: sandbox.ErrStartFailed}
	m, _ := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Backend, c.Capacity = b, 1 })
	if _, err := m.Create(t.Context(), "alice", sandboxtest.Config(), nil); !errors.Is(err, sandbox.ErrStartFailed) {
		t.Fatalf("got %v, want ErrStartFailed", err)
	}
	b.StartErr = nil
	create(t, m, "alice")
}

func TestManagerEndsWhatIsIdle(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m, b := manager(t, dir, func(c *sandbox.ManagerConfig) { c.Idle = time.Hour })
		l := create(t, m, "alice")
		id := l.Info().ID

		time.Sleep(3 * time.Hour) // a call under way, however long, keeps it alive
		synctest.Wait()
		if b.Running() != 1 {
			t.Fatal("it was ended although it was leased")
		}
		l.Release()

		time.Sleep(59 * time.Minute) // a short use begins the hour anew
		l, err := m.Acquire(t.Context(), "alice", id)
		if err != nil {
			t.Fatalf("before its time: %v", err)
		}
		l.Release()
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if b.Running() != 1 {
			t.Fatal("it was ended before its time")
		}

		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if b.Running() != 0 {
			t.Fatal("it still runs")
		}
		if _, err := m.Acquire(t.Context(), "alice", id); !errors.Is(err, sandbox.ErrNoDesktop) || !strings.Contains(err.Error(), "nobody used it for 1h0m0s") {
			t.Errorf("after its time: got %v, want ErrNoDesktop that says why", err)
		}
		create(t, m, "alice") // its room is free
		create(t, m, "alice")
		m.Close()
	})
}

func TestManagerCloseEndsAll(t *testing.T) {
	dir := t.TempDir()
	m, b := manager(t, dir, func(c *sandbox.ManagerConfig) { c.Capacity = 10 })
	for range 5 {
		create(t, m, "alice")
	}
	booting := make(chan struct{})
	failed := make(chan error)
	silent := &sandboxtest.Backend{Guest: func(ctx context.Context, _ *sandboxtest.Guest) error {
		close(booting)
		<-ctx.Done()
		return nil
	}}
	other, _ := manager(t, dir, func(c *sandbox.ManagerConfig) { c.Backend = silent })
	go func() {
		_, err := other.Create(context.Background(), "alice", sandboxtest.Config(), nil)
		failed <- err
	}()
	<-booting
	for _, m := range []*sandbox.Manager{m, other} {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := <-failed; !errors.Is(err, sandbox.ErrStopped) {
		t.Errorf("boot under way: got %v, want ErrStopped", err)
	}
	if n := b.Running() + silent.Running(); n != 0 {
		t.Errorf("%d machines left", n)
	}
	if diff := cmp.Diff([]string{"lock"}, names(t, dir)); diff != "" {
		t.Errorf("left in the state directory (-want +got):\n%s", diff)
	}
	if _, err := m.Create(t.Context(), "alice", sandboxtest.Config(), nil); !errors.Is(err, sandbox.ErrStopped) {
		t.Errorf("Create after Close: got %v, want ErrStopped", err)
	}
}

func TestManagerReapsDeadServersOnly(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "server-dead", "sandbox-1")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "process"), []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(dir, "not-ours")
	if err := os.Mkdir(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	live, _ := manager(t, dir, nil)
	create(t, live, "alice")
	before := names(t, dir)
	next, _ := manager(t, dir, nil)
	after := names(t, dir)

	for _, n := range before {
		if !strings.HasPrefix(n, "server-") {
			continue
		}
		if got := names(t, filepath.Join(dir, n)); len(got) != 2 {
			t.Errorf("a live server's directory holds %v, want its lock and its sandbox", got)
		}
	}
	if len(after) != len(before)+1 {
		t.Errorf("a second server changed the state directory from %v to %v", before, after)
	}
	if _, err := os.Stat(filepath.Dir(dead)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead server's directory is still there: %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("what is not ours was removed: %v", err)
	}
	next.Close()
	if diff := cmp.Diff(before, names(t, dir)); diff != "" {
		t.Errorf("after the second server closed (-want +got):\n%s", diff)
	}
}

func TestNewManagerRefuses(t *testing.T) {
	tests := map[string]sandbox.ManagerConfig{
		"no backend":        {StateDir: t.TempDir()},
		"no directory":      {Backend: &sandboxtest.Backend{}},
		"negative capacity": {Backend: &sandboxtest.Backend{}, StateDir: t.TempDir(), Capacity: -1},
		"negative idle":     {Backend: &sandboxtest.Backend{}, StateDir: t.TempDir(), Idle: -1},
	}
	for name, cfg := range tests {
		t.Run(name, func(t *testing.T) {
			if m, err := sandbox.NewManager(cfg); !errors.Is(err, sandbox.ErrInvalidConfig) {
				m.Close()
				t.Errorf("got %v, want ErrInvalidConfig", err)
			}
		})
	}
}
