package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Manager holds the sandboxes of a host. It is safe for concurrent use.
type Manager struct {
	cfg   ManagerConfig
	log   *slog.Logger
	room  *room
	state *stateDir
	shelf *shelf

	ctx    context.Context // ends when Close is called: no boot outlives it
	cancel context.CancelFunc
	wg     sync.WaitGroup // boots under way, and one watcher for each sandbox

	mu       sync.Mutex
	closed   bool
	building bool                 // a template
	unbuilt  map[string]time.Time // when no template could be made, by key
	live     map[string]*entry
	gone     map[string]grave // of sandboxes that have ended, for an answer that says why
	goneList []string         // keys of gone, oldest first
}

// maxGraves bounds how many ended sandboxes are remembered.
const maxGraves = 1024

// ManagerConfig says how a [Manager] works. Backend and StateDir are needed.
//
// Where memory decides, it is looked at anew for each sandbox, so that what
// other programs take or give back counts, as does what the sandboxes of
// another server on the same host have touched so far. What those may still
// take is not known here: give each server of such a host a Capacity.
type ManagerConfig struct {
	Backend     Backend
	StateDir    string        // 0700; what a dead server left in it is removed at start
	Templates   *Templates    // what sandboxes start from; nil means that they are booted. The manager makes what is missing, in the background
	Capacity    int           // sandboxes at once; 0 means as long as the host's free memory holds what all may take
	Idle        time.Duration // a sandbox that nobody holds or used for this long is ended; 0 means never
	Suspend     time.Duration // a sandbox that nobody holds or used for this long is suspended; 0 means never
	Suspended   int           // most that are suspended at a time; 0 means DefaultSuspended
	Checkpoints int           // most of one sandbox; 0 means DefaultCheckpoints
	Logger      *slog.Logger  // nil discards
}

// Info describes one sandbox.
type Info struct {
	ID        string       `json:"desktop_id"`
	Size      desktop.Size `json:"-"` // of the screen as the guest has it, which may not be what was asked for
	Isolation Isolation    `json:"isolation"`
	Image     string       `json:"image"`
	Created   time.Time    `json:"created"`
	Used      time.Time    `json:"used"`
	Backend   string       `json:"backend"`
}

// entry is a running sandbox.
type entry struct {
	owner string
	turn  chan struct{} // holds a token while it is saved or rolled back
	gone  chan struct{} // closed when it has ended and its room is free

	// The rest is guarded by Manager.mu.

	session     *Session
	booking     *booking
	suspended   string        // where the sandbox is kept while it does not run; "" while it does
	place       *place        // of suspended
	changed     chan struct{} // closed, and replaced, when session, suspended or ending is another
	ending      bool          // it is to end
	end         SessionEnd    // why it is to, with ending
	closed      bool          // it has ended
	info        Info
	leases      int
	checkpoints []*checkpoint // oldest first
	made        int           // checkpoints so far
}

// describe returns info with what may change while the sandbox runs. The caller
// holds Manager.mu.
func (e *entry) describe() Info {
	info := e.info
	info.Size = e.session.Size()
	return info
}

// grave is what is remembered of a sandbox that has ended.
type grave struct {
	owner string
	end   string
}

// NewManager opens the state directory, removes what dead servers left in it,
// and returns a Manager that [Manager.Close] must end.
func NewManager(cfg ManagerConfig) (*Manager, error) {
	if cfg.Backend == nil || cfg.StateDir == "" || cfg.Capacity < 0 || cfg.Idle < 0 || cfg.Suspend < 0 || cfg.Suspended < 0 || cfg.Checkpoints < 0 {
		return nil, fmt.Errorf("%w: a manager needs a backend, a state directory, and no negative limits", ErrInvalidConfig)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Checkpoints == 0 {
		cfg.Checkpoints = DefaultCheckpoints
	}
	if cfg.Suspended == 0 {
		cfg.Suspended = DefaultSuspended
	}
	room, err := newRoom(cfg.Capacity)
	if err != nil {
		return nil, err
	}
	state, err := openStateDir(cfg.StateDir, cfg.Logger)
	if err != nil {
		return nil, err
	}
	m := &Manager{
		cfg:   cfg,
		log:   cfg.Logger,
		room:  room,
		state: state,
		shelf: newShelf(cfg.Suspended, state.dir),
		live:  make(map[string]*entry),
		gone:  make(map[string]grave),

		unbuilt: make(map[string]time.Time),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m, nil
}

// Create starts a sandbox that belongs to owner. Capacity is reserved before
// that; without room the error matches ErrCapacity at once and says how many are
// running. The lease must be released.
func (m *Manager) Create(ctx context.Context, owner string, cfg Config, onStep func(step string)) (*Lease, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	return m.add(ctx, owner, cfg, onStep, func(ctx context.Context, opts StartOptions) (*Session, error) {
		return m.start(ctx, cfg, opts)
	})
}

// add starts a sandbox of cfg with start, and makes it owner's.
func (m *Manager) add(ctx context.Context, owner string, cfg Config, onStep func(string), start func(context.Context, StartOptions) (*Session, error)) (*Lease, error) {
	ctx, end, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	booking, err := m.room.take(cfg.MemoryMiB)
	if err != nil {
		return nil, err
	}
	id := newSecret()
	session, err := start(ctx, m.startOptions(id, onStep))
	if err != nil {
		booking.cancel()
		return nil, err
	}
	booking.weigh(resident(session.machine))
	now := time.Now()
	e := &entry{
		owner:   owner,
		session: session,
		changed: make(chan struct{}),
		booking: booking,
		leases:  1,
		turn:    make(chan struct{}, 1),
		gone:    make(chan struct{}),
		info: Info{
			ID:        id,
			Isolation: session.Isolation(),
			Image:     cfg.Image,
			Created:   now,
			Used:      now,
			Backend:   m.cfg.Backend.Name(),
		},
	}
	m.mu.Lock()
	m.live[id] = e
	m.mu.Unlock()
	m.wg.Go(func() { m.watch(e) })
	return &Lease{m: m, e: e}, nil
}

// startOptions are those of a sandbox with this id.
func (m *Manager) startOptions(id string, onStep func(string)) StartOptions {
	return StartOptions{
		Dir:      m.state.dir,
		Hostname: newHostname(),
		OnStep:   onStep,
		Logger:   m.log.With("sandbox", id[:6]), // enough to tell them apart; the whole id is a handle
	}
}

// begin counts something as under way that Close waits for, unless the manager is
// closed. The context that it returns ends with Close too. end must be called.
func (m *Manager) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nil, fmt.Errorf("%w: the server is closing", ErrStopped)
	}
	m.wg.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(m.ctx, func() { cancel(fmt.Errorf("%w: the server is closing", ErrStopped)) })
	return ctx, func() {
		stop()
		cancel(nil)
		m.wg.Done()
	}, nil
}

// Acquire takes a lease on owner's desktop, which keeps it alive until the
// lease is released; one that is suspended goes on first, which takes about a
// second, and fails as [Manager.Create] does, or when ctx is done. An unknown id and one of another owner are the same
// error, ErrNoDesktop; one that has ended is that as well, and says why.
func (m *Manager) Acquire(ctx context.Context, owner, id string) (*Lease, error) {
	l, suspended, err := m.lease(owner, id)
	if err != nil {
		return nil, err
	}
	if suspended {
		if err := m.wake(ctx, l.e); err != nil {
			l.Release()
			return nil, err
		}
	}
	return l, nil
}

// lease takes a lease on owner's desktop, and reports whether that is suspended.
func (m *Manager) lease(owner, id string) (l *Lease, suspended bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.find(owner, id)
	if err != nil {
		return nil, false, err
	}
	e.leases++
	e.info.Used = time.Now()
	return &Lease{m: m, e: e}, e.suspended != "", nil
}

// find returns owner's running sandbox. The caller holds mu.
func (m *Manager) find(owner, id string) (*entry, error) {
	if e := m.live[id]; e != nil && e.owner == owner {
		if e.suspended != "" || !closed(e.session.Done()) {
			return e, nil
		}
		end, _ := e.session.Wait(context.Background())
		return nil, goneError(end.String())
	}
	if g, ok := m.gone[id]; ok && g.owner == owner {
		return nil, goneError(g.end)
	}
	return nil, fmt.Errorf("%w: create one, or use one of your list", ErrNoDesktop)
}

func goneError(end string) error {
	return fmt.Errorf("%w: this one has ended, %s: create a new one", ErrNoDesktop, end)
}

// List returns owner's sandboxes, oldest first.
func (m *Manager) List(owner string) []Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Info
	for _, e := range m.live {
		if e.owner == owner {
			list = append(list, e.describe())
		}
	}
	slices.SortFunc(list, func(a, b Info) int { return a.Created.Compare(b.Created) })
	return list
}

// End stops owner's sandbox and returns when it is gone and its room free, or
// ctx is done; it ends in either case.
func (m *Manager) End(ctx context.Context, owner, id string) error {
	m.mu.Lock()
	e, err := m.find(owner, id)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	m.finish(e, SessionEnd{Reason: EndStopped})
	select {
	case <-e.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close ends every sandbox and every boot under way, all at once, waits until
// all is gone, and gives the state directory back. It may be called more than
// once.
func (m *Manager) Close() error {
	m.mu.Lock()
	first := !m.closed
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.wg.Wait()
	if !first {
		return nil
	}
	if err := m.state.close(); err != nil {
		return errors.Join(errors.New("close state directory"), err)
	}
	return nil
}
