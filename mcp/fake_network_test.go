package mcp

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
)

// permits reports a network that names what the host's does not.
func (h *fakeHost) permits(n sandbox.Network) error {
	for _, entry := range strings.Fields(n.Allow) {
		if !slices.Contains(strings.Fields(h.network.Allow), entry) {
			return fmt.Errorf("%w: %q is more than the owner of this server permits", sandbox.ErrInvalidConfig, entry)
		}
	}
	return nil
}

func (h *fakeHost) SetNetwork(_ context.Context, owner, id string, n sandbox.Network) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, err := h.find(owner, id)
	if err == nil {
		err = h.permits(n)
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.info.Network = n
	return nil
}

// NetworkLog is of a desktop that asked for a name, reached it, and was kept from
// somewhere else, if it has a network.
func (h *fakeHost) NetworkLog(owner, id string) ([]sandbox.NetworkEntry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, err := h.find(owner, id)
	if err != nil || !d.Info().Network.On() {
		return nil, err
	}
	at := func(second int) time.Time { return time.Date(2026, 1, 2, 6, 0, second, 0, time.UTC) }
	web := netip.MustParseAddrPort("203.0.113.1:443")
	return []sandbox.NetworkEntry{
		{Time: at(1), Kind: "dns", Name: "a.example", Addr: netip.AddrPortFrom(web.Addr(), 0), Verdict: "allowed", Rule: "a.example"},
		{Time: at(2), Kind: "tcp", Name: "a.example", Addr: web, Verdict: "allowed", Rule: "a.example", Sent: 500, Received: 7000},
		{Time: at(3), Kind: "dns", Name: "evil.example\x1b[31m", Verdict: "blocked", Reason: "it is not on the list of what this desktop may reach"},
	}, nil
}

func (h *fakeHost) NetworkTotals() sandbox.NetworkTotals {
	return sandbox.NetworkTotals{
		Entries: map[sandbox.NetworkCount]uint64{{Kind: "tcp", Verdict: "allowed"}: 7, {Kind: "dns", Verdict: "blocked"}: 3},
		Sent:    500, Received: 7000,
	}
}
