package egress

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/egress/audit"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// bare returns a network without a guest, for what needs none.
func bare(t *testing.T, l Limits) *Network {
	t.Helper()
	p, err := policy.Parse(policy.Config{Mode: policy.Open})
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	n, err := newNetwork(Config{
		Frames: ours, MAC: guestMAC, Policy: p, Limits: l,
		Own:    func(netip.Addr) bool { return false },
		Lookup: func(context.Context, string, string) ([]netip.Addr, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.shut("the test has ended") })
	return n
}

// TestRates holds that what is begun too fast is refused, and only as much as is.
func TestRates(t *testing.T) {
	for _, tt := range []struct {
		name string
		l    Limits
		try  func(n *Network) bool
		rate int
	}{
		{"connections", Limits{ConnectRate: 3, Connections: 1000}, connectOnce, 3},
		{"connections by default", Limits{Connections: 1000}, connectOnce, DefaultConnectRate},
		{"questions", Limits{QuestionRate: 2}, askOnce, 2},
		{"questions by default", Limits{}, askOnce, DefaultQuestionRate},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := bare(t, tt.l)
				count := func() (done int) {
					for range 1000 {
						if tt.try(n) {
							done++
						}
					}
					return done
				}
				if got := count(); got != burst*tt.rate {
					t.Errorf("%d at once, want %d", got, burst*tt.rate)
				}
				for range 3 {
					time.Sleep(time.Second)
					if got := count(); got != tt.rate {
						t.Errorf("%d in the next second, want %d", got, tt.rate)
					}
				}
				counts := n.Counts()
				if counts.Limited == 0 || counts.Blocked != 0 {
					t.Errorf("it is counted as %+v, and is limited", counts)
				}
			})
		})
	}
}

func connectOnce(n *Network) bool {
	f := n.open(audit.TCP, policy.TCP, netip.MustParseAddrPort("203.0.113.1:7"))
	if f == nil {
		return false
	}
	f.leave()
	return true
}

func askOnce(n *Network) bool {
	release, ok := n.mayAsk()
	if ok {
		release()
	}
	return ok
}

// TestBandwidth holds that a second carries what it may, each way, in all connections
// together.
func TestBandwidth(t *testing.T) {
	const perSecond, seconds = 1 << 20, 10
	synctest.Test(t, func(t *testing.T) {
		n := bare(t, Limits{Bandwidth: perSecond})
		began := time.Now()
		var sent, received atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
		defer cancel()
		for range 3 {
			f := n.open(audit.TCP, policy.TCP, netip.MustParseAddrPort("203.0.113.1:7"))
			program, guest := net.Pipe()
			server, host := net.Pipe()
			side := f.guestSide(guest)
			go f.splice(side, host, side)
			go func() {
				defer f.end()
				<-ctx.Done()
				f.cut(audit.Allowed, "the test has ended")
				program.Close()
				server.Close()
			}()
			for c, count := range map[net.Conn]*atomic.Int64{server: &sent, program: &received} {
				go func() {
					for b := make([]byte, copySize); ; {
						size, err := c.Read(b)
						if count.Add(int64(size)); err != nil {
							return
						}
					}
				}()
				go io.Copy(c, zeros{})
			}
		}
		<-ctx.Done()
		synctest.Wait()
		n.wg.Wait()
		if took := time.Since(began); took != seconds*time.Second {
			t.Errorf("it took %v", took)
		}
		for way, got := range map[string]int64{"sent": sent.Load(), "received": received.Load()} {
			// What may come at once is what a second carries, and each connection may
			// have begun its next piece when the time is over.
			if most := int64((seconds + 1) * perSecond); got > most+3*copySize || got < most*9/10 {
				t.Errorf("%d bytes were %s in %d s, want about %d", got, way, seconds, most)
			}
		}
	})
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// TestDatagramsBeyondTheRateAreLost holds that nothing piles up behind a limit.
func TestDatagramsBeyondTheRateAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := bare(t, Limits{Bandwidth: 1000})
		f := n.open(audit.UDP, policy.UDP, netip.MustParseAddrPort("203.0.113.1:7"))
		program, guest := net.Pipe()
		server, host := net.Pipe()
		n.cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return host, nil }
		go f.relay(guest)
		go io.Copy(io.Discard, server)
		for range 1000 { // none of which waits: they would take a quarter of an hour
			program.Write(make([]byte, 1000))
		}
		if got := f.sent.Load(); got > copySize || got < copySize-1000 {
			t.Errorf("%d bytes were carried at once, want %d", got, copySize)
		}
		program.Close()
		n.wg.Wait()
		server.Close()
	})
}
