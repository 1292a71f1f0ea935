package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
)

// What is told of refused connections. Browsers have business of their own that they
// try again and again, which is not worth telling each time.
const (
	maxTold    = 3                // in one result
	maxPending = 32               // before a result, and remembered
	retell     = 10 * time.Minute // until the same one is told again
)

// refusals collects what the network refused, for the next result. The zero value is
// ready for use.
type refusals struct {
	mu      sync.Mutex
	pending []string // oldest first
	told    []telling
}

type telling struct {
	target string
	at     time.Time
}

// add notes an entry of the log if it is a refusal.
func (r *refusals) add(e audit.Entry) {
	if e.Verdict != audit.Blocked || e.Kind == audit.Packet || e.Target() == string(e.Kind) {
		return
	}
	target := e.Target()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = slices.DeleteFunc(r.told, func(t telling) bool { return time.Since(t.at) >= retell })
	if len(r.pending) >= maxPending || slices.Contains(r.pending, target) || slices.ContainsFunc(r.told, func(t telling) bool { return t.target == target }) {
		return
	}
	r.pending = append(r.pending, target)
}

// take returns the line that tells of what was refused since the last one, "" for
// nothing.
func (r *refusals) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) == 0 {
		return ""
	}
	all := r.pending
	r.pending = nil
	for _, t := range all {
		if len(r.told) >= maxPending {
			r.told = r.told[1:]
		}
		r.told = append(r.told, telling{t, time.Now()})
	}
	line := "The network of this desktop refused " + strings.Join(all[:min(maxTold, len(all))], ", ")
	if more := len(all) - maxTold; more > 0 {
		line += fmt.Sprintf(" and %d more", more)
	}
	return line + ": its policy does not allow that, so trying again is of no use."
}
