package serve

import (
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// deeds knows when something was last done for a host that may change the screen.
// That a connection ends and another one begins, as when the machine is saved, is
// nothing of that kind.
type deeds struct {
	mu       sync.Mutex
	underWay int
	last     time.Time // end of the last one, or begin of the first connection
}

// connected tells that a connection begins.
func (d *deeds) connected() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last.IsZero() {
		d.last = time.Now()
	}
}

// begin tells that an action begins, and end that it has ended.
func (d *deeds) begin(spec desktop.Spec) (end func()) {
	if spec.Looks {
		return func() {}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.underWay++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.underWay--
		d.last = time.Now()
	}
}

// since returns when the last one ended, for who has only looked: the zero time while
// one is under way, and for who did one.
func (d *deeds) since(spec desktop.Spec) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !spec.Looks || d.underWay > 0 {
		return time.Time{}
	}
	return d.last
}
