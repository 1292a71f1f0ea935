package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// How long a manager that closes takes at most to suspend its sandboxes, and how
// many it suspends at a time: more would only take longer each.
const (
	keepLimit   = time.Minute
	keepAtATime = 2
)

// keep suspends every sandbox and leaves it to a later manager. Those used last come
// first; what cannot be suspended ends.
func (m *Manager) keep() {
	// Nothing is started for nobody while those of users are saved.
	defer m.pool.stepAside()()
	for m.makeWay(0) {
	}
	ctx, cancel := context.WithTimeoutCause(m.ctx, keepLimit, fmt.Errorf("%w: the server is closing", ErrTimeout))
	defer cancel()
	all := m.byUse()
	if n := len(all) - m.cfg.Suspended; n > 0 {
		var ends sync.WaitGroup
		for _, e := range all[m.cfg.Suspended:] {
			m.finish(e, SessionEnd{Reason: EndStopped})
			ends.Go(func() { <-e.gone })
		}
		ends.Wait()
		all = all[:m.cfg.Suspended]
		m.log.Warn("sandboxes end with the server, as too many would be suspended", "ended", n, "suspended", m.cfg.Suspended)
	}
	slots := make(chan struct{}, keepAtATime)
	var work sync.WaitGroup
	for _, e := range all {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			if err := m.keepOne(ctx, e); err != nil {
				m.log.Warn("a sandbox ends with the server, as it could not be suspended", "err", err)
			}
		})
	}
	work.Wait()
}

// byUse returns the sandboxes, those used last first.
func (m *Manager) byUse() []*entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*entry
	for _, e := range m.live {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int { return b.info.Used.Compare(a.info.Used) })
	return all
}

// keepOne suspends e, whoever may still hold it, and puts it where the next manager
// looks.
func (m *Manager) keepOne(ctx context.Context, e *entry) error {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := m.suspend(ctx, e, math.MaxInt); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.ending || e.closed {
		return ErrStopped
	}
	dir, err := m.state.leave(e.suspended)
	if err != nil {
		return err
	}
	e.suspended, e.left = dir, true
	return nil
}

// record returns what a later manager must know of e, as it is.
func (m *Manager) record(ctx context.Context, e *entry, s *Session) (keptRecord, error) {
	saver, ok := m.cfg.Backend.(Snapshotter)
	if !ok {
		return keptRecord{}, ErrUnsupported
	}
	key, err := stateKey(ctx, saver, s.Config())
	if err != nil {
		return keptRecord{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := keptRecord{
		Version:     keptVersion,
		ID:          e.info.ID,
		Owner:       e.owner,
		Key:         e.info.Key,
		State:       key,
		Config:      s.Config(),
		Screen:      s.Size(),
		Isolation:   e.info.Isolation,
		Created:     e.info.Created,
		Used:        e.info.Used,
		Made:        e.made,
		Checkpoints: slices.Clone(e.lost),
	}
	for _, c := range e.checkpoints {
		r.Checkpoints = append(r.Checkpoints, lost{c.info.ID, c.info.Name})
	}
	r.Checkpoints = r.Checkpoints[max(0, len(r.Checkpoints)-maxLost):]
	return r, nil
}

// takeBack makes the sandboxes in these directories those of m. What is of no use is
// dropped; nobody else uses m yet.
func (m *Manager) takeBack(dirs []string) {
	type found struct {
		dir string
		keptRecord
	}
	var all []found
	for _, dir := range dirs {
		r, err := readKept(dir)
		if err != nil {
			m.drop(dir, err)
			continue
		}
		all = append(all, found{dir, r})
	}
	slices.SortFunc(all, func(a, b found) int { return b.Used.Compare(a.Used) })
	for _, f := range all {
		if m.live[f.ID] != nil {
			m.drop(f.dir, errors.New("there is another one with its handle"))
			continue
		}
		place, err := m.shelf.hold()
		if err != nil {
			m.bury(f.ID, f.Owner, SessionEnd{Reason: EndError, Err: err})
			m.drop(f.dir, err)
			continue
		}
		e := &entry{
			owner:     f.Owner,
			session:   endedSession(f.Config, m.startOptions(f.ID, nil)),
			changed:   make(chan struct{}),
			booking:   &booking{room: m.room}, // of nothing
			suspended: f.dir,
			place:     place,
			state:     f.State,
			turn:      make(chan struct{}, 1),
			gone:      make(chan struct{}),
			made:      f.Made,
			lost:      f.Checkpoints,
			news:      restartNotice(f.Checkpoints),
			info: Info{
				ID:        f.ID,
				Size:      f.Screen,
				Isolation: f.Isolation,
				Image:     f.Config.Image,
				Created:   f.Created,
				Used:      f.Used,
				Backend:   m.cfg.Backend.Name(),
				TakenBack: true,
				Key:       f.Key,
			},
		}
		m.live[f.ID] = e
	}
	for _, e := range m.live {
		m.wg.Go(func() { m.watch(e) })
	}
	if n := len(m.live); n > 0 {
		m.log.Info("sandboxes of a server before are taken back", "sandboxes", n)
	}
}

// drop removes a suspended sandbox that is of no use.
func (m *Manager) drop(dir string, why error) {
	m.log.Warn("a suspended sandbox is dropped", "dir", filepath.Base(dir), "why", why)
	if err := discardKept(dir); err != nil {
		m.log.Error("remove a suspended sandbox", "err", err)
	}
}

// restartNotice is what the first response of a sandbox tells that was taken back.
func restartNotice(gone []lost) string {
	const named = 8 // at most
	text := "The server was restarted. This desktop is as it was before that"
	if len(gone) == 0 {
		return text + "."
	}
	var names []string
	for _, c := range gone[max(0, len(gone)-named):] {
		names = append(names, c.title())
	}
	return text + ", but its checkpoints are gone: " + strings.Join(names, ", ") + "."
}

func (c lost) title() string {
	if c.Name == "" {
		return c.ID
	}
	return fmt.Sprintf("%s (%s)", c.ID, desktop.PlainLine(c.Name, maxLostName))
}
