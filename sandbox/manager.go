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

	pool *pool

	mu       sync.Mutex
	closed   bool
	counts   networkCounts
	building *attempt             // to make a template; nil for none
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
	Warm        int           // sandboxes to keep ready for who creates one, where there is room; it takes Templates. See [Manager.Preload]
	Capacity    int           // sandboxes at once; 0 means as long as the host's free memory holds what all may take
	Idle        time.Duration // a sandbox that nobody holds or used for this long is ended; 0 means never
	Suspend     time.Duration // a sandbox that nobody holds or used for this long is suspended; 0 means never
	Suspended   int           // most that are suspended at a time; 0 means DefaultSuspended
	DiskReserve int           // MiB of the disk of StateDir that no sandbox is suspended into; 0 means DefaultDiskReserveMiB
	Checkpoints int           // most of one sandbox; 0 means DefaultCheckpoints

	Network NetworkOptions // for sandboxes whose config has a network

	// Keep has sandboxes outlive the manager: Close suspends them, and a later
	// manager with Keep and the same StateDir takes them back, as it does with what
	// was suspended when the server died. Their checkpoints end. Servers that share a
	// StateDir then share their owners as well.
	Keep bool

	Logger *slog.Logger // nil discards
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
	Suspended bool         `json:"suspended"` // it does not run until it is needed
	TakenBack bool         `json:"-"`         // from a server before this one
	Key       string       `json:"-"`         // see [Lease.SetKey]
	Network   Network      `json:"-"`         // where it may reach, as that is now

	Standstill time.Duration `json:"-"` // of the one that it was forked from, for that
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
	stub        Stub          // of suspended, if it was suspended by this manager and shares memory with others
	state       string        // stateKey of suspended, when that is to outlive the server
	left        bool          // suspended is left to the next manager
	news        string        // for the first response after it was taken back
	lost        []lost        // checkpoints that ended with their server
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
	info.Network = e.session.Config().Network
	info.Suspended = e.suspended != ""
	if !info.Suspended {
		info.Size = e.session.Size()
	}
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
	if cfg.Backend == nil || cfg.StateDir == "" || cfg.Capacity < 0 || cfg.Idle < 0 || cfg.Suspend < 0 || cfg.Suspended < 0 || cfg.DiskReserve < 0 || cfg.Checkpoints < 0 || cfg.Warm < 0 {
		return nil, fmt.Errorf("%w: a manager needs a backend, a state directory, and no negative limits", ErrInvalidConfig)
	}
	if cfg.Warm > 0 && cfg.Templates == nil {
		return nil, fmt.Errorf("%w: warm sandboxes start from templates, and there are none", ErrInvalidConfig)
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
	if cfg.DiskReserve == 0 {
		cfg.DiskReserve = DefaultDiskReserveMiB
	}
	room, err := newRoom(cfg.Capacity)
	if err != nil {
		return nil, err
	}
	state, err := openStateDir(cfg.StateDir, cfg.Keep, cfg.Logger)
	if err != nil {
		return nil, err
	}
	m := &Manager{
		cfg:   cfg,
		log:   cfg.Logger,
		room:  room,
		state: state,
		shelf: newShelf(cfg.Suspended, cfg.DiskReserve, state.dir),
		live:  make(map[string]*entry),
		gone:  make(map[string]grave),

		unbuilt: make(map[string]time.Time),
	}
	m.cfg.Network.count = m.count
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.pool = newPool(m, cfg.Warm)
	room.freed = m.pool.freed
	m.takeBack(state.kept)
	if cfg.Warm > 0 {
		m.wg.Go(m.pool.run)
	}
	return m, nil
}

// Create starts a sandbox that belongs to owner, or takes one that is kept warm. A
// network that is beyond the bounds of the manager's is an error that matches
// [ErrInvalidConfig].
// Capacity is reserved before that; without room the error matches ErrCapacity at
// once and says how many are running. The lease must be released.
func (m *Manager) Create(ctx context.Context, owner string, cfg Config, onStep func(step string)) (*Lease, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	if _, err := narrow(m.cfg.Network.Bounds, cfg.Network); err != nil {
		return nil, err
	}
	if l, err := m.handOut(ctx, owner, cfg, onStep); l != nil || err != nil {
		return l, err
	}
	return m.add(ctx, owner, cfg, onStep, func(ctx context.Context, opts StartOptions) (*Session, error) {
		return m.start(ctx, cfg, opts)
	})
}

// handOut makes a sandbox that is kept warm owner's: none if there is none of cfg.
func (m *Manager) handOut(ctx context.Context, owner string, cfg Config, onStep func(string)) (*Lease, error) {
	ctx, end, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	s := m.pool.take(ctx, cfg)
	if s == nil {
		return nil, nil
	}
	if cfg.Network.On() {
		if err := s.session.SetNetwork(cfg.Network); err != nil {
			s.end()
			return nil, err
		}
	}
	if onStep != nil {
		onStep("take warm desktop")
	}
	return m.adopt(owner, s.id, s.session, s.booking), nil
}

// add starts a sandbox of cfg with start, and makes it owner's.
func (m *Manager) add(ctx context.Context, owner string, cfg Config, onStep func(string), start func(context.Context, StartOptions) (*Session, error)) (*Lease, error) {
	ctx, end, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	defer m.pool.stepAside()()
	booking, err := m.book(cfg.MemoryMiB)
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
	return m.adopt(owner, id, session, booking), nil
}

// adopt makes a sandbox that has started owner's, and leases it.
func (m *Manager) adopt(owner, id string, session *Session, booking *booking) *Lease {
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
			Image:     session.cfg.Image,
			Created:   now,
			Used:      now,
			Backend:   m.cfg.Backend.Name(),
		},
	}
	m.mu.Lock()
	m.live[id] = e
	m.mu.Unlock()
	m.wg.Go(func() { m.watch(e) })
	return &Lease{m: m, e: e}
}

// book books room for a user's sandbox with that much memory. What runs for nobody
// yet makes way.
func (m *Manager) book(memory int) (*booking, error) {
	return m.claim(func() (*booking, error) { return m.room.take(memory) })
}

// hold books memory for a copy of a sandbox; see [room.hold]. What runs for nobody yet
// makes way.
func (m *Manager) hold(mib int, passing bool) (*booking, error) {
	return m.claim(func() (*booking, error) { return m.room.hold(mib, passing) })
}

// claim takes room, for which others make way.
func (m *Manager) claim(take func() (*booking, error)) (*booking, error) {
	for {
		b, err := take()
		if !errors.Is(err, ErrCapacity) {
			return b, err
		}
		if !m.makeWay(missing(err)) {
			return take() // what was in the way may have gone by itself in between
		}
	}
}

// makeWay gives back some of the room that no user has or, when so many MiB of memory
// are missing, has asked for. It reports false when there is none, or not enough of
// what has been asked for.
func (m *Manager) makeWay(missing int) bool {
	if m.pool.makeWay() {
		return true
	}
	m.mu.Lock()
	building := m.building
	m.mu.Unlock()
	if building != nil {
		building.giveUp()
		return true
	}
	return missing > 0 && m.dropAutomatic(missing)
}

// startOptions are those of a sandbox with this id.
func (m *Manager) startOptions(id string, onStep func(string)) StartOptions {
	return StartOptions{
		Dir:      m.state.dir,
		Hostname: newHostname(),
		Name:     id[:6],
		Network:  m.cfg.Network,
		OnStep:   onStep,
		Logger:   m.log.With("sandbox", id[:6]), // enough to tell them apart; the whole id is a handle
	}
}

// goOnOptions are those of the sandbox with this id when it goes on after old.
func (m *Manager) goOnOptions(id string, old *Session, onStep func(string)) StartOptions {
	opts := m.startOptions(id, onStep)
	opts.traffic = old.traffic
	return opts
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
// all is gone, and gives the state directory back. With [ManagerConfig.Keep] it
// suspends sandboxes instead, for which it takes a minute at most; those that do not
// fit into that, or onto the disk, end. It may be called more than once.
func (m *Manager) Close() error {
	m.mu.Lock()
	first := !m.closed
	m.closed = true
	m.mu.Unlock()
	if first && m.cfg.Keep {
		m.keep()
	}
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
