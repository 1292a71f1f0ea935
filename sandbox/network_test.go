package sandbox_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/egress"
	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// cables are the guests that have a network, the newest last.
type cables struct {
	mu     sync.Mutex
	guests []*sandboxtest.Guest
}

// plug is a guest's program.
func (c *cables) plug(ctx context.Context, g *sandboxtest.Guest) error {
	c.mu.Lock()
	c.guests = append(c.guests, g)
	c.mu.Unlock()
	return sandboxtest.Desktop(ctx, g)
}

func (c *cables) newest() *sandboxtest.Guest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.guests[len(c.guests)-1]
}

// networked returns a manager whose sandboxes reach what bounds name at most. Every
// name has the address 203.0.113.1.
func networked(t *testing.T, dir string, bounds sandbox.Network, change func(*sandbox.ManagerConfig)) (*sandbox.Manager, *cables) {
	t.Helper()
	p, err := policy.Parse(bounds.Policy())
	if err != nil {
		t.Fatal(err)
	}
	guests := new(cables)
	m, _ := manager(t, dir, func(c *sandbox.ManagerConfig) {
		c.Backend = &sandboxtest.Backend{Guest: guests.plug}
		c.Network = sandbox.NetworkOptions{
			Bounds: p,
			Lookup: func(_ context.Context, network, host string) ([]netip.Addr, error) {
				if network != "ip4" {
					return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
				}
				return []netip.Addr{netip.MustParseAddr("203.0.113.1")}, nil
			},
		}
		if change != nil {
			change(c)
		}
	})
	return m, guests
}

// listed returns the network of a list.
func listed(t *testing.T, allow ...string) sandbox.Network {
	t.Helper()
	n, err := sandbox.ListedNetwork(allow)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// createOn creates a sandbox of alice with a network.
func createOn(t *testing.T, m *sandbox.Manager, cfg sandbox.Config, n sandbox.Network) (id string) {
	t.Helper()
	cfg.Network = n
	l, err := m.Create(t.Context(), "alice", cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	return l.Info().ID
}

// frame returns an IPv4 packet of a guest in its Ethernet frame.
func frame(g *sandboxtest.Guest, proto byte, to netip.Addr, payload []byte) []byte {
	link := egress.Guest()
	mac, err := net.ParseMAC(g.Card.MAC)
	if err != nil {
		panic(err)
	}
	from := link.Addresses[0].Addr().As4()
	dst := to.As4()
	ip := make([]byte, 20)
	ip[0], ip[8], ip[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(ip[2:], uint16(20+len(payload)))
	copy(ip[12:], from[:])
	copy(ip[16:], dst[:])
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
	return slices.Concat(link.GatewayMAC[:], mac, []byte{8, 0}, ip, payload)
}

// asks has the newest guest ask for a name, and reports whether it is told an address.
func (c *cables) asks(t *testing.T, name string) bool {
	t.Helper()
	g := c.newest()
	query, err := (&dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}).Pack()
	if err != nil {
		t.Fatal(err)
	}
	udp := binary.BigEndian.AppendUint16(nil, 1234)
	udp = binary.BigEndian.AppendUint16(udp, 53)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(query)))
	udp = append(append(udp, 0, 0), query...) // without a checksum: RFC 768
	g.Link.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := g.Link.Write(frame(g, syscall.IPPROTO_UDP, egress.Guest().Gateways[0], udp)); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 2048)
	size, err := g.Link.Read(reply)
	if err != nil {
		t.Fatalf("%s is not answered: %v", name, err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(reply[14+20+8 : size]); err != nil {
		t.Fatal(err)
	}
	return len(m.Answers) > 0
}

// wake has a sandbox of alice run, and its guest know who it is.
func wake(t *testing.T, m *sandbox.Manager, id string) {
	t.Helper()
	l := acquire(t, m, id)
	defer l.Release()
	if _, err := l.Do(t.Context(), desktop.CursorPosition{}, desktop.Observe{}); err != nil {
		t.Fatal(err)
	}
}

// reach reports, separated by spaces, which of the names a, b and c the newest guest is
// told an address of.
func (c *cables) reach(t *testing.T) string {
	t.Helper()
	var list []string
	for _, name := range []string{"a", "b", "c"} {
		if c.asks(t, name+".example") {
			list = append(list, name)
		}
	}
	return strings.Join(list, " ")
}

// TestNetworkOfASandboxHoldsWhereverItGoes changes the policy of one sandbox through
// all that can become of it.
func TestNetworkOfASandboxHoldsWhereverItGoes(t *testing.T) {
	state, cfg := t.TempDir(), bootable(t)
	bounds := listed(t, "a.example", "b.example")
	m, guests := networked(t, state, bounds, keeping)
	id := createOn(t, m, cfg, bounds)
	set := func(allow ...string) {
		t.Helper()
		if err := m.SetNetwork(t.Context(), "alice", id, listed(t, allow...)); err != nil {
			t.Fatal(err)
		}
	}
	use := func(want string) {
		t.Helper()
		wake(t, m, id)
		if got := guests.reach(t); got != want {
			t.Fatalf("it reaches %q, want %q", got, want)
		}
		for _, wide := range []string{"c.example", "*.a.example", "a.example:22", "0.0.0.0/0"} {
			err := m.SetNetwork(t.Context(), "alice", id, listed(t, wide))
			if !errors.Is(err, sandbox.ErrInvalidConfig) || !strings.Contains(err.Error(), "more than the owner") {
				t.Errorf("%s: %v, want ErrInvalidConfig", wide, err)
			}
		}
		if err := m.SetNetwork(t.Context(), "bob", id, listed(t)); !errors.Is(err, sandbox.ErrNoDesktop) {
			t.Errorf("somebody else changes it: %v, want ErrNoDesktop", err)
		}
		if got := guests.reach(t); got != want {
			t.Errorf("after refused changes it reaches %q, want %q", got, want)
		}
	}
	suspend := func() {
		t.Helper()
		if err := m.Suspend(t.Context(), "alice", id); err != nil {
			t.Fatal(err)
		}
	}
	rollBack := func() {
		t.Helper()
		if _, err := m.Rollback(t.Context(), "alice", id, "wide", nil); err != nil {
			t.Fatal(err)
		}
	}
	use("a b")
	if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{Name: "wide"}); err != nil {
		t.Fatal(err)
	}
	set("a.example")
	use("a")
	rollBack() // to what could reach more
	use("a")
	suspend()
	use("a")
	suspend()
	set() // while it does not run
	use("")
	rollBack()
	use("")
	suspend()
	set("b.example")
	use("b")
	fork, err := m.Fork(t.Context(), "alice", id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := guests.reach(t); got != "b" {
		t.Errorf("a fork reaches %q, want what its parent does", got)
	}
	if err := m.SetNetwork(t.Context(), "alice", fork.Info().ID, listed(t)); err != nil {
		t.Error(err)
	}
	if got := guests.reach(t); got != "" {
		t.Errorf("a fork reaches %q after that was taken back", got)
	}
	fork.Release()
	if err := m.End(t.Context(), "alice", fork.Info().ID); err != nil {
		t.Fatal(err)
	}
	rollBack()
	use("b") // whatever the fork was told

	restart := func() {
		t.Helper()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		m, guests = networked(t, state, bounds, keeping)
	}
	restart()
	use("b")
	suspend()
	set("a.example")
	restart() // without having been used since
	use("a")
	restart()
	set() // before it is used
	restart()
	use("")
	set("a.example", "b.example")
	use("a b")

	// The next owner of the server permits less.
	bounds = listed(t, "b.example")
	restart()
	wake(t, m, id)
	if got := guests.reach(t); got != "b" {
		t.Errorf("it reaches %q, and the server permits b alone", got)
	}
}

// A change that cannot be written down for the next server does not hold here either.
func TestNetworkThatCannotBeKeptIsNotChanged(t *testing.T) {
	state := t.TempDir()
	bounds := listed(t, "a.example", "b.example")
	m, guests := networked(t, state, bounds, keeping)
	id := createOn(t, m, bootable(t), bounds)
	if err := m.Suspend(t.Context(), "alice", id); err != nil {
		t.Fatal(err)
	}
	record := suspended(t, state)[0] + "/sandbox.json"
	remove(t, record)
	if err := m.SetNetwork(t.Context(), "alice", id, listed(t, "a.example")); err == nil {
		t.Error("its record is gone, and the change is reported as done")
	}
	wake(t, m, id)
	if got := guests.reach(t); got != "a b" {
		t.Errorf("it reaches %q, want what it did", got)
	}
}

func TestSandboxIsCreatedWithinTheBounds(t *testing.T) {
	for _, tt := range []struct {
		bounds, network sandbox.Network
		says            string // "" if it is created
	}{
		{listed(t, "a.example", "203.0.113.0/24:*"), listed(t, "a.example:443", "203.0.113.7:22"), ""},
		{listed(t, "a.example"), sandbox.Network{}, ""},
		{listed(t, "a.example"), listed(t), ""},
		{listed(t, "a.example"), listed(t, "b.example"), `"b.example" is more than the owner`},
		{listed(t, "a.example"), sandbox.Network{Mode: policy.Open}, "the mode open is more"},
		{sandbox.Network{}, listed(t, "a.example"), "permits no network"},
		{sandbox.Network{Mode: policy.Open}, listed(t, "a.example:*"), ""},
		{sandbox.Network{Mode: policy.Open}, listed(t, "127.0.0.1:80"), `"127.0.0.1:80" is more`},
	} {
		m, _ := networked(t, t.TempDir(), tt.bounds, nil)
		cfg := sandboxtest.Config()
		cfg.Network = tt.network
		l, err := m.Create(t.Context(), "alice", cfg, nil)
		if err == nil {
			l.Release()
		}
		if tt.says == "" && err != nil || tt.says != "" && (!errors.Is(err, sandbox.ErrInvalidConfig) || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%+v within %+v: %v, want %q", tt.network, tt.bounds, err, tt.says)
		}
	}
}

func TestSandboxWithoutANetworkGetsNone(t *testing.T) {
	m, _ := networked(t, t.TempDir(), listed(t, "a.example"), nil)
	id := createOn(t, m, sandboxtest.Config(), sandbox.Network{})
	err := m.SetNetwork(t.Context(), "alice", id, listed(t, "a.example"))
	if !errors.Is(err, sandbox.ErrInvalidConfig) || !strings.Contains(err.Error(), "create another one") {
		t.Errorf("SetNetwork: %v", err)
	}
}

// Of changes at the same time one is the last, for what holds and for what is kept.
func TestNetworkIsChangedByOneAtATime(t *testing.T) {
	bounds := listed(t, "*.example:*")
	m, _ := networked(t, t.TempDir(), bounds, nil)
	id := createOn(t, m, sandboxtest.Config(), bounds)
	l := acquire(t, m, id)
	defer l.Release()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 50 {
				if err := l.Session().SetNetwork(listed(t, fmt.Sprintf("a%d-%d.example", i, j))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if kept, holds := l.Session().Config().Network, sandbox.NewNetwork(l.Session().Network().Policy().Config()); kept != holds {
		t.Errorf("%v is kept, and %v holds", kept, holds)
	}
}

// What was tried is not forgotten when the sandbox is another session, and a flood that
// the log leaves out is counted.
func TestNetworkLogGoesOnWithTheSandbox(t *testing.T) {
	var mu sync.Mutex
	logged := 0
	bounds := listed(t, "a.example")
	m, guests := networked(t, t.TempDir(), bounds, func(c *sandbox.ManagerConfig) {
		c.Network.OnEntry = func(audit.Entry) {
			mu.Lock()
			defer mu.Unlock()
			logged++
		}
	})
	id := createOn(t, m, sandboxtest.Config(), bounds)
	l := acquire(t, m, id)
	if _, err := m.Checkpoint(t.Context(), "alice", id, sandbox.CheckpointOptions{}); err != nil {
		t.Fatal(err)
	}
	guests.asks(t, "a.example")
	guests.asks(t, "b.example")
	if _, err := m.Rollback(t.Context(), "alice", id, "", nil); err != nil {
		t.Fatal(err)
	}
	guests.asks(t, "c.example")
	res, err := l.Do(t.Context(), desktop.CursorPosition{}, desktop.Observe{})
	if err != nil || len(res.Notices) != 1 || !strings.Contains(res.Notices[0], "refused b.example, c.example: ") {
		t.Errorf("the next result tells %q, %v", res.Notices, err)
	}
	l.Release()
	if err := m.Suspend(t.Context(), "alice", id); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		list, err := m.NetworkLog("alice", id)
		var got []string
		for _, e := range list {
			got = append(got, e.Verdict+" "+e.Name)
		}
		if err != nil || strings.Join(got, ", ") != "allowed a.example, blocked b.example, blocked c.example" {
			t.Errorf("the log is %q, %v", got, err)
		}
	}
	check() // while it is suspended
	wake(t, m, id)
	check()
	if _, err := m.NetworkLog("bob", id); !errors.Is(err, sandbox.ErrNoDesktop) {
		t.Errorf("the log for somebody else: %v, want ErrNoDesktop", err)
	}

	const flood = 2000
	g := guests.newest()
	ping := frame(g, syscall.IPPROTO_ICMP, netip.MustParseAddr("203.0.113.1"), []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0})
	for range flood {
		if _, err := g.Link.Write(ping); err != nil {
			t.Fatal(err)
		}
	}
	guests.asks(t, "a.example") // so all before it were looked at
	if err := m.End(t.Context(), "alice", id); err != nil {
		t.Fatal(err)
	}
	totals := m.NetworkTotals()
	for what, want := range map[sandbox.NetworkCount]uint64{{"dns", "allowed"}: 2, {"dns", "blocked"}: 2, {"packet", "blocked"}: flood} {
		if got := totals.Entries[what]; got != want {
			t.Errorf("%v: %d, want %d", what, got, want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if logged >= flood {
		t.Errorf("%d of a flood of %d are logged", logged, flood)
	}
}
