package audit

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Kind is what an [Entry] is about.
type Kind string

// The kinds.
const (
	TCP     Kind = "tcp"
	UDP     Kind = "udp"
	DNS     Kind = "dns"     // a question
	HTTP    Kind = "http"    // a request that was refused on a connection that was not
	Packet  Kind = "packet"  // one that cannot belong to a connection
	Publish Kind = "publish" // a connection from the host to the guest
)

// Entry is one line of the log.
type Entry struct {
	Time     time.Time      `json:"time"` // when it began
	Sandbox  string         `json:"sandbox,omitempty"`
	Kind     Kind           `json:"kind"`
	Name     string         `json:"name,omitempty"` // that was asked for, or meant
	Addr     netip.AddrPort `json:"addr,omitzero"`  // where to
	Verdict  string         `json:"verdict"`
	Rule     string         `json:"rule,omitempty"`     // that allows it
	Reason   string         `json:"reason,omitempty"`   // why it was not carried, or how it ended
	Sent     int64          `json:"sent,omitempty"`     // bytes from the guest
	Received int64          `json:"received,omitempty"` // bytes to the guest
	Seconds  float64        `json:"seconds,omitempty"`  // that it took
}

// The verdicts.
const (
	Allowed = "allowed"
	Blocked = "blocked" // by the policy, and so the next time as well
	Limited = "limited" // allowed by the policy, but too much at a time
)

// Target names what the entry is about, for people.
func (e Entry) Target() string {
	switch {
	case e.Name != "" && e.Addr.Port() != 0:
		return fmt.Sprintf("%s:%d", e.Name, e.Addr.Port())
	case e.Name != "":
		return e.Name
	case e.Addr.Port() != 0:
		return e.Addr.String()
	case e.Addr.IsValid():
		return e.Addr.Addr().String()
	}
	return string(e.Kind)
}

// String returns the entry as a line without its time.
func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", e.Verdict, e.Kind, e.Target())
	if e.Name != "" && e.Addr.IsValid() {
		fmt.Fprintf(&b, " (%s)", e.Addr.Addr())
	}
	if e.Sent+e.Received > 0 {
		fmt.Fprintf(&b, ", %d bytes sent and %d received", e.Sent, e.Received)
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, ": %s", e.Reason)
	}
	return b.String()
}
