package vhostvsock

import (
	"sync"
	"time"
)

// deadline wakes those who wait on cond when a moment has come. All its fields
// are guarded by cond.L.
type deadline struct {
	cond    *sync.Cond
	timer   *time.Timer
	expired bool
	set     uint64 // how often it was set, so that a late timer knows that it is one
}

// reset sets the moment; the zero time means never. cond.L is held.
func (d *deadline) reset(t time.Time) {
	d.stop()
	d.expired = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.expired = true
		d.cond.Broadcast()
		return
	}
	set := d.set
	d.timer = time.AfterFunc(left, func() {
		d.cond.L.Lock()
		defer d.cond.L.Unlock()
		if d.set == set {
			d.expired = true
			d.cond.Broadcast()
		}
	})
}

// stop forgets the moment. cond.L is held.
func (d *deadline) stop() {
	d.set++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
