package sandbox_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// handed is the step of a create that takes a sandbox which is there.
const handed = "take warm desktop"

// A warmth is a manager in a bubble that keeps two sandboxes warm.
type warmth struct {
	t         *testing.T
	m         *sandbox.Manager
	b         *sandboxtest.Backend
	cfg       sandbox.Config
	templates *sandbox.Templates
}

// inWarmth runs test with a template that is there, and room for four sandboxes unless
// change says otherwise. guest is the program of those that start from it.
func inWarmth(t *testing.T, guest func(context.Context, *sandboxtest.Guest) error, change func(*sandbox.ManagerConfig), test func(t *testing.T, w warmth)) {
	t.Helper()
	cfg, dir, state := bootable(t), t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := new(sandboxtest.Backend)
		ts := openTemplates(t, dir, b)
		buildTemplate(t, ts, cfg)
		b.Guest = guest
		m, _ := manager(t, state, func(c *sandbox.ManagerConfig) {
			c.Backend, c.Templates, c.Capacity, c.Warm = b, ts, 4, 2
			if change != nil {
				change(c)
			}
		})
		m.Preload(cfg)
		synctest.Wait()
		test(t, warmth{t, m, b, cfg, ts})
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if n := b.Running(); n != 0 {
			t.Errorf("%d machines run after Close", n)
		}
	})
}

// create makes a sandbox and returns how.
func (w warmth) create(cfg sandbox.Config) (l *sandbox.Lease, how string) {
	w.t.Helper()
	l, err := w.m.Create(w.t.Context(), "alice", cfg, func(step string) {
		if slices.Contains([]string{cold, warm, handed}, step) {
			how = step
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return l, how
}

// running checks how many machines run once nothing happens any more.
func (w warmth) running(want int, when string) {
	w.t.Helper()
	synctest.Wait()
	if got := w.b.Running(); got != want {
		w.t.Errorf("%s %d machines run, want %d", when, got, want)
	}
}

// pause lets so much time pass that the pool may be filled again after a create.
func pause() { time.Sleep(2 * time.Second) }

func TestWarmSandboxesAreHandedOutOnce(t *testing.T) {
	var mu sync.Mutex
	tokens := make(map[string]int)
	guest := func(ctx context.Context, g *sandboxtest.Guest) error {
		err := sandboxtest.Desktop(ctx, g)
		mu.Lock()
		defer mu.Unlock()
		tokens[g.Boot.Token]++
		return err
	}
	inWarmth(t, guest, nil, func(t *testing.T, w warmth) {
		w.running(2, "at first")
		var leases []*sandbox.Lease
		ids := make(map[string]bool)
		for i, want := range []string{handed, handed, warm} {
			l, how := w.create(w.cfg)
			if how != want {
				t.Errorf("sandbox %d: %s, want %s", i, how, want)
			}
			if _, ok := l.Session().Screen().Picture(false); ok != (want == handed) {
				t.Errorf("sandbox %d has its picture on the host: %v", i, ok)
			}
			leases, ids[l.Info().ID] = append(leases, l), true
		}
		if len(ids) != 3 || len(w.m.List("alice")) != 3 {
			t.Errorf("%d different ids, and a list of %d", len(ids), len(w.m.List("alice")))
		}
		w.running(3, "right after three creates")
		pause()
		w.running(4, "with room for one more")
		for _, l := range leases {
			l.Release()
			if err := w.m.End(t.Context(), "alice", l.Info().ID); err != nil {
				t.Error(err)
			}
		}
		w.running(2, "when all are closed")
		if l, _ := w.create(w.cfg); ids[l.Info().ID] {
			t.Error("a sandbox was handed out again")
		}
	})
	for token, n := range tokens {
		if n != 1 {
			t.Errorf("%d guests have the token %s", n, token)
		}
	}
}

func TestWarmSandboxesAreOfOneConfig(t *testing.T) {
	inWarmth(t, nil, nil, func(t *testing.T, w warmth) {
		other := w.cfg
		other.MemoryMiB = 4096
		if _, how := w.create(other); how != cold {
			t.Errorf("one with more memory: %s", how)
		}
		w.running(3, "with it")
		w.m.Preload(other)
		w.running(1, "when others are wanted")
		pause()
		if _, how := w.create(other); how != handed {
			t.Errorf("one with more memory, later: %s", how)
		}
		if _, how := w.create(w.cfg); how != warm {
			t.Errorf("one as they were at first: %s", how)
		}
	})
}

func TestWarmSandboxesMakeWay(t *testing.T) {
	inWarmth(t, nil, func(c *sandbox.ManagerConfig) { c.Capacity = 2 }, func(t *testing.T, w warmth) {
		other := w.cfg
		other.CPUs = 3
		first, _ := w.create(other)
		w.running(2, "with one of another kind")
		w.create(other)
		w.running(2, "with two")
		if _, err := w.m.Create(t.Context(), "alice", w.cfg, nil); !errors.Is(err, sandbox.ErrCapacity) {
			t.Errorf("third of two: %v", err)
		}
		pause()
		w.running(2, "later")
		first.Release()
		if err := w.m.End(t.Context(), "alice", first.Info().ID); err != nil {
			t.Fatal(err)
		}
		w.running(2, "when one is closed")
		if _, how := w.create(w.cfg); how != handed {
			t.Errorf("in its place: %s", how)
		}
	})
}

// What is being started for nobody is given up for a user.
func TestUsersGoBeforeThePool(t *testing.T) {
	var started chan *sandboxtest.Guest
	guest := func(ctx context.Context, g *sandboxtest.Guest) error {
		select {
		case started <- g:
		case <-ctx.Done():
			return nil
		}
		return sandboxtest.Desktop(ctx, g)
	}
	within := func(c *sandbox.ManagerConfig) {
		c.Capacity, started = 1, make(chan *sandboxtest.Guest)
	}
	inWarmth(t, guest, within, func(t *testing.T, w warmth) {
		w.running(1, "while the first is being started")
		created := make(chan *sandbox.Lease)
		go func() {
			defer close(created)
			l, err := w.m.Create(t.Context(), "alice", w.cfg, nil)
			if err != nil {
				t.Error(err)
				return
			}
			created <- l
		}()
		w.running(1, "while a user's is instead")
		select {
		case <-started:
		case <-created: // it was refused
			return
		}
		if l := <-created; l.Info().ID == "" {
			t.Error("it has no id")
		}
		pause()
		w.running(1, "without room for another")
	})
}

// The template is made before anybody asks for a sandbox, and not in anybody's way.
func TestWarmthMakesTheTemplate(t *testing.T) {
	cfg, dir, state := bootable(t), t.TempDir(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var boots atomic.Int32
		hold := make(chan struct{})
		b := &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error {
			if boots.Add(1) == 1 { // of the template
				select {
				case <-hold:
				case <-ctx.Done():
					return nil
				}
			}
			return sandboxtest.Desktop(ctx, g)
		}}
		ts := openTemplates(t, dir, b)
		m, _ := manager(t, state, func(c *sandbox.ManagerConfig) {
			c.Backend, c.Templates, c.Capacity, c.Warm = b, ts, 1, 1
		})
		m.Preload(cfg)
		synctest.Wait()
		w := warmth{t, m, b, cfg, ts}
		w.running(1, "while the template is made")
		l, how := w.create(cfg)
		if how != cold {
			t.Errorf("meanwhile: %s", how)
		}
		l.Release()
		if err := m.End(t.Context(), "alice", l.Info().ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if err := m.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, how := w.create(cfg); how != handed {
			t.Errorf("later: %s", how)
		}
		m.Close()
	})
}

func TestWarmSandboxesThatDieAreReplacedEverMoreSeldom(t *testing.T) {
	var starts atomic.Int32
	guest := func(ctx context.Context, g *sandboxtest.Guest) error {
		starts.Add(1)
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		sandboxtest.Desktop(ctx, g)
		return errors.New("kernel panic")
	}
	inWarmth(t, guest, func(c *sandbox.ManagerConfig) { c.Warm = 1 }, func(t *testing.T, w warmth) {
		time.Sleep(15 * time.Second)
		early := starts.Swap(0)
		time.Sleep(time.Hour)
		if late := starts.Load(); early < 3 || early > 5 || late < 10 || late > 20 {
			t.Errorf("%d starts in the first seconds, %d in the hour after", early, late)
		}
	})
}

// A guest whose agent is there and does not answer is not handed out.
func TestWarmSandboxesAreAlive(t *testing.T) {
	var dead atomic.Bool
	guest := func(ctx context.Context, g *sandboxtest.Guest) error {
		if dead.Load() {
			return sandboxtest.Desktop(ctx, g)
		}
		conn, err := g.Dial(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		guest, err := desktop.NewGuest(ctx, conn, sandboxtest.Hello(g.Boot))
		if err != nil {
			return err
		}
		for range sandbox.Looks { // and not when it is handed out
			if id, _, err := guest.ReadRequest(); err == nil {
				guest.WriteResponse(id, desktop.Response{OK: true}, nil)
			}
		}
		<-ctx.Done()
		return nil
	}
	inWarmth(t, guest, nil, func(t *testing.T, w warmth) {
		w.running(2, "at first")
		dead.Store(true)
		begun := time.Now()
		l, _ := w.create(w.cfg)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("with two that do not answer it took %v", took)
		}
		do(t, l.Session(), desktop.CursorPosition{})
		pause()
		w.running(3, "later")
	})
}

// Clocks of guests run a little fast or slow.
func TestWarmSandboxesDoNotGrowOld(t *testing.T) {
	var starts atomic.Int32
	guest := func(ctx context.Context, g *sandboxtest.Guest) error {
		starts.Add(1)
		return sandboxtest.Desktop(ctx, g)
	}
	inWarmth(t, guest, nil, func(t *testing.T, w warmth) {
		time.Sleep(24 * time.Hour)
		w.running(2, "after a day")
		if n := starts.Load(); n < 2*47 || n > 2*49 {
			t.Errorf("%d were started", n)
		}
		l, how := w.create(w.cfg)
		if how != handed {
			t.Errorf("after a day: %s", how)
		}
		l.Release()
		time.Sleep(24 * time.Hour)
		if _, err := w.m.Acquire(t.Context(), "alice", l.Info().ID); err != nil {
			t.Errorf("a sandbox that was handed out has ended: %v", err)
		}
	})
}

// A copy of a sandbox takes memory as another sandbox does.
func TestWarmSandboxesMakeWayForCheckpoints(t *testing.T) {
	inWarmth(t, nil, nil, func(t *testing.T, w warmth) {
		l, _ := w.create(w.cfg)
		defer l.Release()
		pause()
		w.running(3, "before")
		sandbox.SetFreeMiB(w.m, func() (int, error) { return 2 - w.b.Running(), nil })
		if _, err := w.m.Checkpoint(t.Context(), "alice", l.Info().ID, sandbox.CheckpointOptions{}); err != nil {
			t.Error(err)
		}
	})
}

func TestNewManagerRefusesWarmthWithoutTemplates(t *testing.T) {
	for _, cfg := range []sandbox.ManagerConfig{{Warm: 1}, {Warm: -1}} {
		cfg.Backend, cfg.StateDir = new(sandboxtest.Backend), t.TempDir()
		if m, err := sandbox.NewManager(cfg); !errors.Is(err, sandbox.ErrInvalidConfig) {
			m.Close()
			t.Errorf("Warm %d: %v, want ErrInvalidConfig", cfg.Warm, err)
		}
	}
}
