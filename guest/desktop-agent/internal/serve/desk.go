package serve

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// Display is what Actions do to the screen, and how it is looked at. It is the
// part of [x11.Display] that this package uses; its errors are *desktop.Error.
type Display interface {
	Size() desktop.Size
	Pointer(context.Context) (desktop.Point, error)

	Move(context.Context, desktop.Move) error
	Click(context.Context, desktop.Click) error
	ButtonDown(context.Context, desktop.ButtonDown) error
	ButtonUp(context.Context, desktop.ButtonUp) error
	Drag(context.Context, desktop.Drag) error
	Scroll(context.Context, desktop.Scroll) error
	Key(context.Context, desktop.Key) error
	KeyDown(context.Context, desktop.KeyDown) error
	KeyUp(context.Context, desktop.KeyUp) error
	HoldKey(context.Context, desktop.HoldKey) error
	Type(context.Context, desktop.Type) error
	Resize(context.Context, desktop.ResizeScreen) error
	PressPaste(context.Context) error
	ReleaseAll(context.Context) error
	Notices() []string
	Check(desktop.Action) error

	Calm(context.Context) error
	Settle(context.Context, x11.SettleOptions) (desktop.Settled, error)
	Capture(ctx context.Context, buf []byte) (desktop.Frame, []byte, error)
	Reset()
}

var _ Display = (*x11.Display)(nil)

// displayWait is how long an action waits for an X server that is being
// restarted.
const displayWait = 20 * time.Second

// maxNotices bounds what is kept for a host that asks for nothing.
const maxNotices = 16

// Desk holds the display while there is one, and what the host must hear about
// the times when there was none. The zero Desk is empty. It is safe for
// concurrent use.
type Desk struct {
	mu      sync.Mutex
	display Display
	placed  chan struct{} // closed when a display is placed; nil when nobody waits
	notices []string
}

// Place puts a display on the desk, or takes it away with nil.
func (d *Desk) Place(display Display) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.display = display
	if display != nil && d.placed != nil {
		close(d.placed)
		d.placed = nil
	}
}

// Notify adds a notice to the next response that goes to the host.
func (d *Desk) Notify(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.notices) < maxNotices && !slices.Contains(d.notices, text) {
		d.notices = append(d.notices, text)
	}
}

func (d *Desk) takeNotices() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.notices
	d.notices = nil
	return n
}

// current returns the display if there is one.
func (d *Desk) current() (Display, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.display, d.display != nil
}

// Wait returns the display as soon as there is one.
func (d *Desk) Wait(ctx context.Context) (Display, error) {
	for {
		d.mu.Lock()
		display := d.display
		if display == nil && d.placed == nil {
			d.placed = make(chan struct{})
		}
		placed := d.placed
		d.mu.Unlock()
		if display != nil {
			return display, nil
		}
		select {
		case <-placed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// use returns the display, for which it waits a while, or what to tell the
// host.
func (d *Desk) use(ctx context.Context) (Display, error) {
	wait, cancel := context.WithTimeout(ctx, displayWait)
	defer cancel()
	display, err := d.Wait(wait)
	switch {
	case err == nil:
		return display, nil
	case ctx.Err() != nil:
		return nil, desktop.Errorf(desktop.CodeCancelled, "cancelled before it began: nothing was done")
	}
	return nil, desktop.Errorf(desktop.CodeUnavailable, "the X server has been down for %v: nothing was done; try again in a moment", displayWait)
}
