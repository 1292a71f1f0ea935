package sandbox

import (
	"context"
	"net"
	"testing"
)

// A command can be over, and its machine gone, before Start has looked.
func TestStartOfACommandThatIsOver(t *testing.T) {
	for range 50 { // select takes any case that is ready
		s := newSession(Config{Workload: WorkloadOneShot}, StartOptions{})
		m := ended{done: make(chan struct{})}
		close(m.done)
		s.machine = m
		s.finish(SessionEnd{Reason: EndExited})
		close(s.changed)
		if err := s.waitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.wg.Wait()
	}
}

// ended is a machine that has powered itself off.
type ended struct{ done chan struct{} }

func (ended) Isolation() Isolation                     { return IsolationEmulated }
func (ended) Accept(context.Context) (net.Conn, error) { return nil, net.ErrClosed }
func (ended) Stop() error                              { return nil }
func (m ended) Done() <-chan struct{}                  { return m.done }
func (ended) Err() error                               { return nil }
func (ended) Console() []byte                          { return nil }
