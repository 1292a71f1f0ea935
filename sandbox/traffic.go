package sandbox

import "github.com/vmette/vmette-mcp/sandbox/egress/audit"

// traffic is what is known of what went over a sandbox's network, and was tried. It
// goes on when the sandbox does, as another session. The zero value is ready for use,
// and safe for concurrent use.
type traffic struct {
	recent  audit.Recent
	refused refusals // for the next response
}

func (t *traffic) add(e audit.Entry) {
	t.recent.Add(e)
	t.refused.add(e)
}

// NetworkEntry is one line of the log of a sandbox's network.
type NetworkEntry = audit.Entry

// MaxNetworkLog is how many entries [Manager.NetworkLog] returns at most.
const MaxNetworkLog = audit.MaxRecent

// NetworkLog returns the last entries of what owner's sandbox reached over its network,
// and tried to, oldest first. A rollback takes none back; those of before a restart of
// the server are gone.
func (m *Manager) NetworkLog(owner, id string) ([]NetworkEntry, error) {
	m.mu.Lock()
	e, err := m.find(owner, id)
	if err != nil {
		m.mu.Unlock()
		return nil, err
	}
	t := e.session.traffic
	m.mu.Unlock()
	return t.recent.List(), nil
}

// NetworkTotals says how much went over the networks of all sandboxes of a manager so
// far, those that have ended included. The bytes of connections that are open are not
// in it yet.
type NetworkTotals struct {
	Entries        map[NetworkCount]uint64
	Sent, Received uint64 // bytes, from guests and to them
}

// NetworkCount is what entries are counted by: their kind, such as "tcp" or "dns", and
// their verdict, "allowed", "blocked" or "limited".
type NetworkCount struct{ Kind, Verdict string }
