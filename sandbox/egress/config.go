package egress

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/dns"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// Config says how a [Network] works. Frames, MAC and Policy are needed.
type Config struct {
	// Frames carries the guest's Ethernet frames, one in each message. The network
	// closes it.
	Frames net.Conn
	MAC    [6]byte // of the guest's card; see [Guest]

	Policy  *policy.Policy
	Limits  Limits
	Sandbox string // name of it in the log

	// Pins are what a guest that was saved may remember of the names that it had
	// asked for: see [Network.Pins].
	Pins []dns.Pin

	// OnEntry is called for each entry of the log, from any goroutine; nil for
	// nothing. What it is about waits meanwhile, and nothing else. It must not call
	// the network.
	OnEntry func(audit.Entry)

	// OnCount is called likewise for each entry, those included that a flood keeps out
	// of the log.
	OnCount func(audit.Entry)

	Logger *slog.Logger // nil discards

	// What the host is like. Nil means the host's own resolver, dialer and addresses.

	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error) // as [net.Resolver.LookupNetIP]
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)  // as [net.Dialer.DialContext]; always an address, never a name; see [Names]
	Own    func(netip.Addr) bool                                                 // whether an address is one of the host's, or of a network that the host is on
}

// Limits of one sandbox. Zero values mean what their comments say.
type Limits struct {
	Connections  int   // open at a time, of TCP and UDP together; 0 means DefaultConnections
	ConnectRate  int   // connections begun in a second; 0 means DefaultConnectRate
	QuestionRate int   // questions for names in a second; 0 means DefaultQuestionRate
	Bandwidth    int64 // bytes in a second, each way; 0 means no limit
}

// What is enough for a browser with many tabs. Each rate may be exceeded for a moment,
// by as much as comes in burst seconds.
const (
	DefaultConnections  = 512
	DefaultConnectRate  = 100
	DefaultQuestionRate = 50

	burst = 5
)

// ConnectionMemory is about the most that an open connection takes of the host's
// memory, in bytes.
const ConnectionMemory = 2*maxBuffer + 2*copySize

// What is not worth a setting.
const (
	logRate, logBurst = 50, 500 // lines for what was blocked

	maxQuestions = 32 // that the host's resolver is asked at a time
)

func (c Config) withDefaults() (Config, error) {
	l := &c.Limits
	if c.Frames == nil || c.MAC == [6]byte{} || c.Policy == nil || min(int64(l.Connections), int64(l.ConnectRate), int64(l.QuestionRate), l.Bandwidth) < 0 {
		return c, errors.New("make network: it needs frames, the address of a card, a policy, and no negative limits")
	}
	l.Connections = cmp.Or(l.Connections, DefaultConnections)
	l.ConnectRate = cmp.Or(l.ConnectRate, DefaultConnectRate)
	l.QuestionRate = cmp.Or(l.QuestionRate, DefaultQuestionRate)
	if c.OnEntry == nil {
		c.OnEntry = func(audit.Entry) {}
	}
	if c.OnCount == nil {
		c.OnCount = func(audit.Entry) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Lookup == nil {
		c.Lookup = net.DefaultResolver.LookupNetIP
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Own == nil {
		c.Own = ofHost
	}
	return c, nil
}
