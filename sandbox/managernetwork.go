package sandbox

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
)

// SetNetwork has another policy hold for owner's sandbox from now on: through
// suspension, rollback and a restart of the server, and for what is forked from it.
// Connections that it does not allow are cut. One that is beyond the bounds of the
// manager's network is an error, and so is any for a sandbox that was created without
// a network: both match [ErrInvalidConfig]. One that is suspended stays so.
func (m *Manager) SetNetwork(ctx context.Context, owner, id string, n Network) error {
	lease, _, err := m.lease(owner, id)
	if err != nil {
		return err
	}
	defer lease.Release()
	err = m.inTurn(ctx, lease.e, func(context.Context) error { return m.setNetwork(lease.e, n) })
	if err != nil {
		return fmt.Errorf("change network: %w", err)
	}
	return nil
}

// setNetwork is SetNetwork for a caller who has the turn, so that the sandbox is
// neither being saved nor about to be another session.
func (m *Manager) setNetwork(e *entry, n Network) error {
	m.mu.Lock()
	dir, session := e.suspended, e.session
	m.mu.Unlock()
	if dir != "" && m.cfg.Keep {
		kept, _, err := session.narrowed(n)
		if err != nil {
			return err
		}
		// Before it holds here, so that no later server knows of a wider one.
		if err := changeKept(dir, func(r *keptRecord) { r.Config.Network = kept }); err != nil {
			return err
		}
	}
	return session.SetNetwork(n)
}

// networkCounts counts entries of all sandboxes' logs. The zero value is ready for use,
// and safe for concurrent use.
type networkCounts struct {
	mu     sync.Mutex
	totals NetworkTotals
}

func (m *Manager) count(e audit.Entry) {
	m.counts.mu.Lock()
	defer m.counts.mu.Unlock()
	t := &m.counts.totals
	if t.Entries == nil {
		t.Entries = make(map[NetworkCount]uint64)
	}
	t.Entries[NetworkCount{string(e.Kind), e.Verdict}]++
	t.Sent += uint64(e.Sent)
	t.Received += uint64(e.Received)
}

// NetworkTotals returns how much went over the networks of all sandboxes so far.
func (m *Manager) NetworkTotals() NetworkTotals {
	m.counts.mu.Lock()
	defer m.counts.mu.Unlock()
	t := m.counts.totals
	t.Entries = maps.Clone(t.Entries)
	return t
}
