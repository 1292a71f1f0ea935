package qemu

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/vmette/vmette-mcp/sandbox/qemu/internal/qmp"
)

// events hands QEMU's events to those who wait for them. The zero value is ready
// for use.
type events struct {
	mu    sync.Mutex
	waits []*awaited
}

// awaited is an event that somebody waits for.
type awaited struct {
	is  func(qmp.Event) bool
	got chan qmp.Event // has room for one
}

// expect begins to look out for the first event that is fits, which is called
// while QEMU's messages are read. It comes before the command that causes the
// event; forget ends it.
func (e *events) expect(is func(qmp.Event) bool) *awaited {
	a := &awaited{is: is, got: make(chan qmp.Event, 1)}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waits = append(e.waits, a)
	return a
}

func (e *events) forget(a *awaited) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waits = slices.DeleteFunc(e.waits, func(b *awaited) bool { return a == b })
}

// tell passes an event on.
func (e *events) tell(ev qmp.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.waits {
		if !a.is(ev) {
			continue
		}
		select {
		case a.got <- ev:
		default: // the first has come already
		}
	}
}

// wait returns the event, or why it cannot come any more.
func (a *awaited) wait(ctx context.Context, ended <-chan struct{}) (qmp.Event, error) {
	select {
	case ev := <-a.got:
		return ev, nil
	case <-ended:
		return qmp.Event{}, errors.New("QEMU has ended")
	case <-ctx.Done():
		return qmp.Event{}, context.Cause(ctx)
	}
}
