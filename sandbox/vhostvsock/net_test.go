package vhostvsock

import (
	"net"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/nettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestConn holds the connections to what net.Conn promises. Two devices are
// joined by a cable between their drivers, so that either end is one of ours.
func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		a, b := newRig(t, Config{}), newRig(t, Config{})
		remove := cable(a, b)
		stop = func() {
			c1.Close()
			c2.Close()
			remove()
			a.unplug()
			b.unplug()
		}
		// Either device believes to be the host of the other.
		l, err := b.dev.Listen(1024)
		if err != nil {
			return nil, nil, nil, err
		}
		c1, err = a.dev.Dial(t.Context(), 1024)
		if err != nil {
			return nil, nil, nil, err
		}
		c2, err = l.Accept()
		return c1, c2, stop, err
	})
}

// cable passes packets between the drivers of two devices. The result takes it
// away.
func cable(a, b *rig) (remove func()) {
	stop := make(chan struct{})
	done := make(chan struct{}, 2)
	pass := func(from, to *rig) {
		defer func() { done <- struct{}{} }()
		for {
			p, ok := from.tryRecv()
			for !ok {
				select {
				case <-from.irq:
				case <-stop:
					return
				}
				p, ok = from.tryRecv()
			}
			p.srcCID, p.dstCID = testCID, HostCID
			for !to.trySend(p.header, []byte(p.payload)) {
				select {
				case <-to.wake:
					to.kickTX()
				case <-stop:
					return
				}
			}
			select {
			case <-to.wake:
				to.kickTX()
			default:
			}
		}
	}
	go pass(a, b)
	go pass(b, a)
	return func() {
		close(stop)
		<-done
		<-done
	}
}
